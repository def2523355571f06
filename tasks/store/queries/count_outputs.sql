SELECT count(*) FROM outputs WHERE output_path IN (SELECT path FROM folders);
