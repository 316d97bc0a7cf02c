-- name: progress
-- How far the journal is applied and sealed.
SELECT applied, sealed FROM progress;

-- name: set_applied
-- The last journal record whose rows are in the tables; in the transaction that puts them there.
UPDATE progress SET applied = ?;

-- name: set_sealed
-- The last generation of points that is in files.
UPDATE progress SET sealed = ?;

-- name: series
-- Every series, by number.
SELECT id, hash, labels, type, unit, help FROM series ORDER BY id;

-- name: series_by_id
-- Series of these numbers.
SELECT id, hash, labels, type, unit, help FROM series WHERE list_contains(?::UINTEGER[], id);

-- name: resource_ids
-- Resources already stored.
SELECT id FROM resources;

-- name: resources_by_id
-- Resources of these ids.
SELECT id, attributes FROM resources WHERE list_contains(?::VARCHAR[], id);

-- name: resources_with
-- Resources with a piece of JSON in their attributes.
SELECT id, attributes FROM resources WHERE contains(attributes, ?);

-- name: files
-- Every sealed file, in order of arrival.
SELECT id, kind, path, part_ms, level, arrival, generation, time_min, time_max, series_min, series_max, rows, bytes,
       expires_from
FROM files ORDER BY arrival, id;

-- name: add_file
-- Register a sealed file.
INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: remove_file
-- Forget a sealed file; it is unlinked afterwards.
DELETE FROM files WHERE id = ?;

-- name: row_tables
-- The tables of recent rows.
SELECT table_name FROM duckdb_tables() WHERE NOT internal;

-- name: series_hours
-- Which series have samples, by hour.
SELECT hour_ms, bitmap FROM series_hours;

-- name: add_series_hour
-- Which series have samples in an hour.
INSERT INTO series_hours VALUES (?, ?);

-- name: remove_series_hour
-- Forget an hour.
DELETE FROM series_hours WHERE hour_ms = ?;

-- name: remove_series
-- Forget series without samples.
DELETE FROM series WHERE list_contains(?::UINTEGER[], id);

-- name: stream_seqs
-- Sequence numbers of sealed events.
SELECT run, kind, first_seq, last_seq FROM stream_seqs;

-- name: clear_stream_seqs
-- Before they are written anew.
DELETE FROM stream_seqs;

-- name: stream_marks
-- High-water marks of sealed events.
SELECT run, kind, high_water FROM stream_marks;

-- name: clear_stream_marks
-- Before they are written anew.
DELETE FROM stream_marks;

-- name: stream_heard
-- When something came last, by run.
SELECT run, heard_ns FROM stream_heard;

-- name: clear_stream_heard
-- Before it is written anew.
DELETE FROM stream_heard;

-- name: stream_runs
-- How far the marks of each run go.
SELECT run, last_ns, closed, followed FROM stream_runs;

-- name: clear_stream_runs
-- Before they are written anew.
DELETE FROM stream_runs;
