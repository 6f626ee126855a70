-- What runs have to tell others, kept with the change that it tells of until it is told.
CREATE TABLE outbox (
  no INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of telling; never used again
  run INTEGER NOT NULL,                  -- runs.no
  seq INTEGER NOT NULL,                  -- within the run
  body BLOB NOT NULL                     -- sealed under the run's key
);
CREATE INDEX outbox_run ON outbox (run);
-- A mirror does not have the table: it needs a new snapshot.
UPDATE mirror_state SET groups = groups + 1 WHERE groups > 0;
