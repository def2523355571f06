-- Which card holds what. A card is known by the number that stands on it, wherever it is mounted; paths are below IMPORT/.

CREATE TABLE cards (id VARCHAR NOT NULL, root VARCHAR NOT NULL, seen_at TIMESTAMP NOT NULL);
CREATE TABLE card_files (
    card_id VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    file_hash VARCHAR NOT NULL,
    output_bytes BIGINT NOT NULL,
    export_id BIGINT NOT NULL,
    output_path VARCHAR NOT NULL,
    manifest_path VARCHAR NOT NULL,
    source_path VARCHAR NOT NULL,
    settings_hash VARCHAR,
    written_at TIMESTAMP NOT NULL
);
ALTER TABLE kits ADD COLUMN tempo DOUBLE;
