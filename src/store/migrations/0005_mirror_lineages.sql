-- Whose commits a mirror has (mirror/mirror.h): one for each start with a mirror. A database that was made again from a
-- mirror has others than the one that was lost, and so has a copy that was started on its own.
CREATE TABLE mirror_lineages (
  no INTEGER PRIMARY KEY,
  lineage BLOB NOT NULL,           -- 16 random bytes
  base_segment INTEGER NOT NULL,   -- number of the mirror's segment up to which it was made again; 0: it was not
  base_hash BLOB NOT NULL          -- its SHA-256
);
-- Which group of commits the newest one is, beside its number: another one with that number may have been lost.
ALTER TABLE mirror_state ADD COLUMN mark BLOB NOT NULL DEFAULT x'';
