-- What the small model's answer has cost that did not do, where another model was asked instead. NULL: no such thing.
ALTER TABLE runs ADD COLUMN rejected_cost INTEGER;
-- What a mirror gets from now on has a column more than its copy: it needs a new snapshot.
UPDATE mirror_state SET groups = groups + 1 WHERE groups > 0;
