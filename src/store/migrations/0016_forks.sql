-- The runs that were begun at a step of one run, in the order in which runs are listed.
CREATE INDEX runs_origin ON runs (origin, id) WHERE origin IS NOT NULL;
