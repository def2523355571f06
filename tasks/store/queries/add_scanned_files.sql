INSERT INTO scanned_files (path, bytes, mtime_ns, ctime_ns, header, trouble, fix, rules, guesses, heard)
SELECT path, bytes, mtime_ns, ctime_ns, header, trouble, fix, rules, guesses, heard FROM new_scanned_files;
