-- name: merge
-- An hour's samples of a range of series, sorted; among duplicates the first to arrive stays the first.
SELECT series, time_ms, value FROM read_parquet({paths}) WHERE series BETWEEN {first} AND {last}
ORDER BY series, time_ms, file_index;

-- name: bounds
-- What a file of samples spans.
SELECT count(*), min(time_ms), max(time_ms), min(series), max(series) FROM read_parquet(?);

-- name: select_some
-- Samples of some series in a span of time, in order of arrival.
SELECT series, time_ms, value, file_index FROM read_parquet({paths})
JOIN (SELECT unnest(?::UINTEGER[]) AS series) USING (series) WHERE time_ms BETWEEN ? AND ?;

-- name: select_range
-- Samples of a range of series in a span of time, in order of arrival.
SELECT series, time_ms, value, file_index FROM read_parquet({paths})
WHERE series BETWEEN ? AND ? AND time_ms BETWEEN ? AND ?;
