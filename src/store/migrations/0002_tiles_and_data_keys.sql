-- The log goes on from its tiles now (audit/tile_files.h).
DROP TABLE log_state;

-- The key of each run's payloads, wrapped (keys/envelope.h), and whose data they are. Both NULL: the payloads were erased.
-- No row: sealed before runs had keys of their own. A table and not a column: a key is deleted in one place.
CREATE TABLE data_keys (
  run INTEGER PRIMARY KEY,         -- runs.no
  subject TEXT,                    -- pseudonym; NULL: nobody was named
  wrapped BLOB
);
CREATE INDEX data_keys_subject ON data_keys (subject) WHERE subject IS NOT NULL;
CREATE INDEX reviews_run ON reviews (run);

-- How many groups of commits there were: by it a mirror knows where it stands. Counts only while there is a mirror.
CREATE TABLE mirror_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  groups INTEGER NOT NULL
);
INSERT INTO mirror_state (id, groups) VALUES (1, 0);
