MERGE INTO samples USING new_samples AS n USING (id)
WHEN MATCHED THEN UPDATE SET
    file_path = n.file_path,
    title = n.title,
    genre = n.genre,
    bpm = n.bpm,
    musical_key = n.musical_key,
    tags = n.tags,
    source_format = coalesce(n.source_format, samples.source_format),
    source_subtype = coalesce(n.source_subtype, samples.source_subtype),
    source_rate_hz = coalesce(n.source_rate_hz, samples.source_rate_hz),
    source_channels = coalesce(n.source_channels, samples.source_channels),
    source_bytes = coalesce(n.source_bytes, samples.source_bytes),
    source_mtime_ns = coalesce(n.source_mtime_ns, samples.source_mtime_ns),
    source_frames = coalesce(n.source_frames, samples.source_frames),
    updated_at = $now
WHEN NOT MATCHED THEN INSERT (
    id, file_path, title, genre, bpm, musical_key, tags, source_format, source_subtype, source_rate_hz,
    source_channels, source_bytes, source_mtime_ns, source_frames, updated_at
) VALUES (
    n.id, n.file_path, n.title, n.genre, n.bpm, n.musical_key, n.tags, n.source_format, n.source_subtype,
    n.source_rate_hz, n.source_channels, n.source_bytes, n.source_mtime_ns, n.source_frames, $now
);
