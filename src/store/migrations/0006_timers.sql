-- What wakes runs at rest: their time, events, or both. The rows go when the run goes on. Who waits for a person has none.
CREATE TABLE timers (
  run INTEGER PRIMARY KEY,         -- runs.no
  due_us INTEGER NOT NULL
);
CREATE INDEX timers_due ON timers (due_us);
CREATE TABLE listeners (
  run INTEGER NOT NULL,            -- runs.no
  type TEXT NOT NULL,              -- of the events, as the flow names it; empty: of any
  tenant TEXT NOT NULL,
  PRIMARY KEY (run, type)
) WITHOUT ROWID;
CREATE INDEX listeners_type ON listeners (tenant, type);

-- Those that are at rest already are woken once, and say then what they wait for.
INSERT INTO timers (run, due_us)
  SELECT no, 1 FROM runs WHERE status = 2 AND status <> 6
    AND NOT EXISTS (SELECT 1 FROM reviews WHERE reviews.run = runs.id AND reviews.state IN (0, 1));
-- A mirror does not have them: it needs a new snapshot.
UPDATE mirror_state SET groups = groups + 1 WHERE groups > 0;
