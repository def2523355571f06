-- These samples, by their places; `removed`: those of removed_samples.sql.
SELECT
    s.id, s.title, s.genre, s.bpm, s.musical_key, s.tags, s.file_path, s.source_format, s.source_rate_hz, s.source_channels,
    s.source_frames, s.source_bytes, l.status, l.export_id,
    w.id IN (SELECT id FROM removed) AS removed
FROM wanted AS w JOIN samples AS s USING (id) LEFT JOIN last_status AS l ON l.sample_id = s.id
ORDER BY w.place;
