SELECT coalesce(max(last_value), 0) FROM duckdb_sequences() WHERE database_name = current_database() AND sequence_name = 'export_ids';
