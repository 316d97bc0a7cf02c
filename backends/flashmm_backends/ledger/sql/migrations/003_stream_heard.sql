-- When something came last of a run whose events are sealed, or about it; what is known of it leaves with the events.
CREATE TABLE stream_heard (run VARCHAR NOT NULL, heard_ns BIGINT NOT NULL);
