-- The sources that are known to be shorter than so many milliseconds, as long as they are files of this size and time.
SELECT file_path AS source, source_frames * 1000 // source_rate_hz AS milliseconds, source_bytes AS bytes, source_mtime_ns AS mtime_ns
FROM samples
WHERE source_frames * 1000 < $minimum_ms * source_rate_hz
UNION
-- and by their headers, as a scan read them
SELECT path AS source, floor(seconds * 1000 + 1e-6)::BIGINT AS milliseconds, bytes, mtime_ns
FROM (SELECT *, try_cast(regexp_extract(header, '"seconds": ([0-9.e+-]+)', 1) AS DOUBLE) AS seconds FROM scanned_files)
WHERE seconds * 1000 < $minimum_ms;
