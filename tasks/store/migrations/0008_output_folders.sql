-- Which output folder is where. A folder is known by the number in its mark, wherever it is moved to or mounted; ``run``
-- is the number that the mark had when an export last wrote there.

CREATE TABLE output_folders (id VARCHAR NOT NULL, path VARCHAR NOT NULL, run BIGINT NOT NULL);
