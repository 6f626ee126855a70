-- Labelled texts, from which triage learns.
CREATE TABLE labels (
  id TEXT PRIMARY KEY,                   -- keyed hash of tenant and text: a text has one label
  run BLOB NOT NULL,                     -- runs.id: its key seals the text, and the label goes with its content
  tenant TEXT NOT NULL,
  intent TEXT NOT NULL,
  route INTEGER NOT NULL,                -- of an intent that the classifier does not know: 2 a model, 3 a person
  origin INTEGER NOT NULL,               -- 0 given as a label, 1 feedback, 2 a review
  author TEXT NOT NULL,                  -- pseudonym
  created_us INTEGER NOT NULL,
  body BLOB NOT NULL                     -- the text, sealed under the run's key
) WITHOUT ROWID;
CREATE INDEX labels_time ON labels (created_us, id);
CREATE INDEX labels_run ON labels (run);
-- A mirror does not have them: it needs a new snapshot.
UPDATE mirror_state SET groups = groups + 1 WHERE groups > 0;
