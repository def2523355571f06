DELETE FROM scanned_files WHERE path IN (SELECT path FROM gone);
