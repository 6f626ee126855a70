-- Runs that were begun at a step of another run: which (runs.id), and at which step. NULL: at their own beginning.
ALTER TABLE runs ADD COLUMN origin BLOB;
ALTER TABLE runs ADD COLUMN origin_step INTEGER;
-- Bodies of the journal may hold checkpoints now (codec.h, section 5), which earlier programs would call damage.
-- A mirror does not have the columns: it needs a new snapshot.
UPDATE mirror_state SET groups = groups + 1 WHERE groups > 0;
