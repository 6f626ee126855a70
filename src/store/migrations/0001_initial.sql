-- Runs, what they did, who must look at them, and the record of it all.
-- Times are UTC microseconds, money is in millionths, ids are the 16 bytes of a UUID.
-- Columns named `body` and `pack` begin with a format byte: 0 as is, 1 zstd.

-- What is appended for one commit of one run: its input (first row), steps, stream chunks, and, once it has ended, its
-- final state. Rows of a run form a chain backwards through `prev`: no index has to be kept, and none is needed.
CREATE TABLE journal (
  no INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,            -- runs.no
  prev INTEGER NOT NULL,           -- the run's row before this one; 0: first
  leaf INTEGER NOT NULL,           -- index of the commit's first audit leaf
  leaves INTEGER NOT NULL,         -- how many it has
  body BLOB NOT NULL
);

-- One thin row a run: lists and cost reports read nothing else.
CREATE TABLE runs (
  no INTEGER PRIMARY KEY,          -- number of the journal row that holds its input
  id BLOB NOT NULL,
  tenant TEXT NOT NULL,
  key TEXT NOT NULL,
  flow TEXT NOT NULL,
  flow_hash NOT NULL,              -- 32 bytes where it is a SHA-256 in hex, else text
  status INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  route TEXT NOT NULL,
  model TEXT NOT NULL,
  cost INTEGER NOT NULL,
  cost_all_large INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL,
  ended_us INTEGER NOT NULL,
  steps INTEGER NOT NULL,          -- highest step index + 1
  last INTEGER NOT NULL,           -- its newest journal row
  final INTEGER NOT NULL,          -- journal row with its final state; 0: not ended, see states
  idempotency_key TEXT,            -- NULL: none
  request_hash,
  error TEXT
);
CREATE UNIQUE INDEX runs_id ON runs (id);
CREATE UNIQUE INDEX runs_idempotency ON runs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Completed runs, nearly all, are not in it: start-up and work lists do not grow with them.
CREATE INDEX runs_not_completed ON runs (status, id) WHERE status <> 6;

-- Where an open run stands. Small, for a row goes when its run ends.
CREATE TABLE states (
  run INTEGER PRIMARY KEY,
  body BLOB NOT NULL
);

CREATE TABLE reviews (
  id BLOB PRIMARY KEY,
  run BLOB NOT NULL,
  step INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  state INTEGER NOT NULL,
  reason TEXT NOT NULL,
  priority INTEGER NOT NULL,
  claimed_by TEXT NOT NULL,
  claim_until_us INTEGER NOT NULL,
  decided_by TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  decided_us INTEGER NOT NULL,
  due_us INTEGER NOT NULL,
  question BLOB NOT NULL,          -- format byte first
  verdict BLOB NOT NULL            -- format byte first
) WITHOUT ROWID;
CREATE INDEX reviews_queue ON reviews (state, priority DESC, created_us);

CREATE TABLE spending (
  key TEXT NOT NULL,
  day INTEGER NOT NULL,            -- days since the Unix epoch, UTC
  amount INTEGER NOT NULL,
  PRIMARY KEY (key, day)
) WITHOUT ROWID;

CREATE TABLE documents (
  name TEXT PRIMARY KEY,
  body BLOB NOT NULL
) WITHOUT ROWID;

-- Audit leaves of a group, packed as C2SP entry bundles are: length (2 bytes, big-endian), bytes, and so on.
CREATE TABLE leaves (
  first INTEGER PRIMARY KEY,
  count INTEGER NOT NULL,
  pack BLOB NOT NULL
);

-- Signed tree heads: the newest, and of the older ones one every ten seconds.
CREATE TABLE tree_heads (
  size INTEGER PRIMARY KEY,
  time_us INTEGER NOT NULL,
  note TEXT NOT NULL
);

-- What the log needs to go on after a restart without reading every leaf.
CREATE TABLE log_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  size INTEGER NOT NULL,
  summary BLOB NOT NULL
);
