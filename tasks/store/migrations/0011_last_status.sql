-- The last row of the history of each sample: what grouping sp404_export_samples by sample says, without reading all of it.

CREATE TABLE last_status (
    sample_id BIGINT NOT NULL,
    row_id BIGINT NOT NULL,
    export_id BIGINT NOT NULL,
    status VARCHAR NOT NULL
);
INSERT INTO last_status
SELECT sample_id, max(id), max_by(export_id, id), max_by(status, id)
FROM sp404_export_samples
WHERE sample_id IS NOT NULL
GROUP BY sample_id;
