"""The records: the only place that knows DuckDB and SQL."""
