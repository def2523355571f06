DELETE FROM output_folders WHERE path IN (SELECT path FROM folders);
