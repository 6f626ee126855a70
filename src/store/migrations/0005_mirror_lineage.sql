-- Whose commits a mirror has (mirror/mirror.h). A database that was made again from a mirror is another one than the
-- one that was lost: should that come back, the mirror is not its any more.
CREATE TABLE mirror_lineage (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  lineage BLOB NOT NULL,           -- 16 random bytes
  base_segment INTEGER NOT NULL,   -- number of the mirror's segment up to which it was made again; 0: it was not
  base_hash BLOB NOT NULL          -- its SHA-256
);
