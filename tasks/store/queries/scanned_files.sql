SELECT path, bytes, mtime_ns, ctime_ns, header, trouble, fix, rules, guesses, heard FROM scanned_files;
