-- name: islands
-- Runs of consecutive sequence numbers in a table of events.
SELECT run, min(seq), max(seq) FROM (
    SELECT run, seq, seq - row_number() OVER (PARTITION BY run ORDER BY seq) AS island
    FROM (SELECT DISTINCT run, seq FROM {table})
) GROUP BY run, island;

-- name: high_water
-- How far each stream went, by its marks.
SELECT run, kind, max(high_water) FROM {table} WHERE kind IS NOT NULL AND high_water IS NOT NULL GROUP BY run, kind;

-- name: run_marks
-- The marks that tell how far a run went, and which was its previous one.
SELECT run, max(time_ns) AS time_ns, mark, kind, previous_run FROM {table} GROUP BY run, mark, kind, previous_run;

-- name: events
-- Events of a kind in a window, in order of time.
SELECT {columns} FROM {source} WHERE time_ns >= ? AND time_ns < ? {where} ORDER BY time_ns, run, seq;

-- name: events_page
-- The first of those.
SELECT {columns} FROM {source} WHERE time_ns >= ? AND time_ns < ? {where} ORDER BY time_ns, run, seq LIMIT ?;

-- name: count_events
-- How many events of a kind arrived in a window.
SELECT count(*) FROM {source} WHERE time_ns >= ? AND time_ns < ?;

-- name: extent
-- How many matching events a window holds, and their earliest and latest time.
SELECT count(*), min(time_ns), max(time_ns) FROM {source} WHERE time_ns >= ? AND time_ns < ? {where};

-- name: densities
-- How many of them are in each part of the window that holds any: where it begins, how long a part is.
SELECT (time_ns - ?) // ? AS part, count(*) FROM {source} WHERE time_ns >= ? AND time_ns < ? {where}
GROUP BY part ORDER BY part;

-- name: recent
-- How many rows a table has, and the earliest time of any.
SELECT count(*), min({time}) FROM {table};

-- name: latest_time
-- The latest time of any event in a table.
SELECT max(time_ns) FROM {table};

-- name: event_times
-- Times of the events beside gaps.
SELECT run, seq, min(time_ns) FROM {source}
WHERE (run, seq) IN (SELECT unnest(?::VARCHAR[]), unnest(?::BIGINT[])) GROUP BY run, seq;

-- name: marks
-- Marks of the streams that have gaps, in order.
SELECT run, high_water, min(time_ns), max(time_ns) FROM {source}
WHERE kind = ? AND list_contains(?::VARCHAR[], run) AND high_water IS NOT NULL
GROUP BY run, high_water ORDER BY run, high_water;

-- name: openings
-- When runs began, where their first mark arrived.
SELECT run, min(time_ns) FROM {source} WHERE list_contains(?::VARCHAR[], run) AND mark = 'open' GROUP BY run;

-- name: trace
-- Spans of some traces, each once.
SELECT {columns} FROM {source} WHERE list_contains(?::VARCHAR[], trace_id)
QUALIFY row_number() OVER (PARTITION BY trace_id, span_id) = 1 ORDER BY start_ns, span_id;

-- name: order_traces
-- Traces with a span of an order: its placement has a root named `order`.
SELECT trace_id, bool_or(name = 'order' AND parent_span_id = '') AS placement FROM {source}
WHERE order_id = ? GROUP BY trace_id;

-- name: orders
-- Placements that began in a window, the latest first.
SELECT order_id, trace_id, resource, coalesce(venue, ''), coalesce(symbol, ''), coalesce(side, ''), coalesce(outcome, ''),
    start_ns, end_ns - start_ns
FROM {source}
WHERE start_ns >= ? AND start_ns < ? AND name = 'order' AND parent_span_id = '' AND order_id IS NOT NULL {where}
QUALIFY row_number() OVER (PARTITION BY trace_id, span_id) = 1
ORDER BY start_ns DESC, order_id LIMIT ?;

-- name: placement_attributes
-- Attributes of the roots of some placements.
SELECT trace_id, attributes FROM {source}
WHERE start_ns BETWEEN ? AND ? AND name = 'order' AND parent_span_id = '' AND list_contains(?::VARCHAR[], trace_id);

-- name: order_events
-- Events of one order, in order of time.
SELECT {columns} FROM {source} WHERE order_id = ? ORDER BY time_ns, seq;

-- name: logs
-- Log records in a window, the latest first.
SELECT {columns} FROM {source} WHERE time_ns >= ? AND time_ns < ? {where}
ORDER BY time_ns DESC, observed_ns DESC, resource, span_id, body LIMIT ?;

-- name: exemplars
-- Exemplars of some series in a span of time.
SELECT series, time_ms, value, trace_id, span_id, labels FROM {source}
WHERE list_contains(?::BIGINT[], series) AND time_ms BETWEEN ? AND ?
QUALIFY row_number() OVER (PARTITION BY series, time_ms, trace_id, span_id) = 1 ORDER BY series, time_ms;

-- name: key_hashes
-- The ids in a column, hashed as `_keys` does it.
SELECT DISTINCT md5_number_lower({column}) AS hash FROM {table} WHERE {column} IS NOT NULL;
