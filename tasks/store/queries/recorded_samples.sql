-- All samples, and whether an export had them.
SELECT
    id, file_path, title, genre, bpm, musical_key, tags, id IN (SELECT sample_id FROM last_status) AS exported
FROM samples;
