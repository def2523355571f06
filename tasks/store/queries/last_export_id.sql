SELECT coalesce(max(last_value), 0) FROM duckdb_sequences() WHERE sequence_name = 'export_ids';
