-- Files by their level (RMS, in dBFS), in steps of 6 dB.
SELECT (floor(20 * log10(o.rms) / 6) * 6)::INTEGER AS from_dbfs, count(*) AS files
FROM outputs AS o
JOIN sp404_export_samples AS s
    ON o.path = CASE WHEN s.output_subfolder = '' THEN '' ELSE s.output_subfolder || '/' END || s.output_filename
JOIN sp404_exports AS e ON e.id = s.export_id AND e.output_path = o.output_path
WHERE s.export_id = $export_id AND s.owns_output AND o.rms > 0
GROUP BY ALL
ORDER BY from_dbfs;
