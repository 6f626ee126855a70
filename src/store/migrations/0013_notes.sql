-- What flows and people note on runs beside what these did: tags, annotations, scores.
CREATE TABLE notes (
  run BLOB NOT NULL,                     -- runs.id
  kind INTEGER NOT NULL,                 -- 0 tag, 1 annotation, 2 score
  name TEXT NOT NULL,                    -- within run and kind; says nothing without the key that it was hashed under
  mark TEXT,                             -- of a tag: keyed hash of its name and value, the same in all runs of a tenant
  body BLOB NOT NULL,                    -- sealed under the run's key
  PRIMARY KEY (run, kind, name)
) WITHOUT ROWID;
-- In the order in which runs are listed.
CREATE INDEX notes_mark ON notes (mark, run) WHERE mark IS NOT NULL;
-- Which tags a run has, as a hash of their marks. NULL: none.
ALTER TABLE runs ADD COLUMN tags BLOB;
CREATE INDEX runs_tagged ON runs (created_us) WHERE tags IS NOT NULL;
-- A mirror does not have them: it needs a new snapshot.
UPDATE mirror_state SET groups = groups + 1 WHERE groups > 0;
