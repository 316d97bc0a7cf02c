-- What the ledger knows besides the rows themselves. Times are in the unit of the table: ns for rows, ms for points.
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL);

-- One line: the last journal record whose rows are in the tables, the last generation of points that is sealed.
CREATE TABLE progress (applied BIGINT NOT NULL, sealed BIGINT NOT NULL);
INSERT INTO progress VALUES (0, 0);

-- Series by the ledger's dense number; hash is the content hash of the labels, labels a JSON list of pairs.
CREATE TABLE series (id UINTEGER NOT NULL, hash VARCHAR, labels VARCHAR, type VARCHAR, unit VARCHAR, help VARCHAR);

CREATE TABLE resources (id VARCHAR NOT NULL, attributes VARCHAR);

-- Parquet files. part_ms: begin of the hour of points, -1 elsewhere. arrival orders files: of duplicates the first wins.
CREATE TABLE files (
    id BIGINT NOT NULL, kind VARCHAR NOT NULL, path VARCHAR NOT NULL, part_ms BIGINT NOT NULL, level INTEGER NOT NULL,
    arrival BIGINT NOT NULL, generation BIGINT NOT NULL, time_min BIGINT NOT NULL, time_max BIGINT NOT NULL,
    series_min UINTEGER NOT NULL, series_max UINTEGER NOT NULL, rows BIGINT NOT NULL, bytes BIGINT NOT NULL,
    expires_from BIGINT NOT NULL
);

-- Which series have samples in an hour: bit i of the bitmap is series i.
CREATE TABLE series_hours (hour_ms BIGINT NOT NULL, bitmap BLOB NOT NULL);

-- Sequence numbers that sealed events had, so that a redelivery years later is still known.
CREATE TABLE stream_seqs (run VARCHAR, kind VARCHAR, first_seq BIGINT, last_seq BIGINT);

-- The highest sequence number that a stream mark named, by stream.
CREATE TABLE stream_marks (run VARCHAR, kind VARCHAR, high_water BIGINT);
