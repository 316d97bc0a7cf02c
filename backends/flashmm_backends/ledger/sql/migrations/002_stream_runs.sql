-- How far the marks of sealed events go, by run. last_ns: NULL where nothing of the run has arrived. closed: it marked
-- its own end. followed: another run names it as its previous one.
CREATE TABLE stream_runs (run VARCHAR NOT NULL, last_ns BIGINT, closed BOOLEAN NOT NULL, followed BOOLEAN NOT NULL);
