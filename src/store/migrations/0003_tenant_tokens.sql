-- Values behind the placeholders that all runs of a tenant share, sealed under the tenant's key (keys/envelope.h). A row
-- for each person whose runs brought the value: an erasure takes that person's rows, and the value goes with its last one.
CREATE TABLE tenant_tokens (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  token TEXT NOT NULL,             -- "[EMAIL_T9F86D0C1B2A3]"
  subject TEXT NOT NULL,           -- pseudonym; empty: nobody was named
  sealed BLOB NOT NULL             -- first byte: version of the tenant's key; 255: the data directory's own
);
CREATE UNIQUE INDEX tenant_tokens_token ON tenant_tokens (tenant, token, subject);
CREATE INDEX tenant_tokens_subject ON tenant_tokens (subject, tenant) WHERE subject <> '';

-- They were documents, under the data directory's key: "vault/TENANT/[TOKEN]". The first byte of a body is its format.
INSERT INTO tenant_tokens (tenant, token, subject, sealed)
  SELECT substr(name, 7, instr(name, '/[') - 7), substr(name, instr(name, '/[') + 1), '',
         CAST(x'ff' || substr(body, 2) AS BLOB)
  FROM documents WHERE name LIKE 'vault/%/[%' AND substr(body, 1, 1) = x'00';
DELETE FROM documents WHERE name LIKE 'vault/%/[%';
-- A mirror has them as documents: it needs a new snapshot.
UPDATE mirror_state SET groups = groups + 1 WHERE groups > 0;
