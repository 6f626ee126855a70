-- Documents that people wrote are sealed under the server's key (keys/envelope.h): policies, flows, the API keys with
-- their names, and reasons of legal holds. They stood in clear. The document of the tenants' keys is asked for first: it
-- gets the server's key.
INSERT OR IGNORE INTO documents (name, body) SELECT 'tenant_keys', x'00' FROM documents
  WHERE name IN ('keys', 'legal_holds') OR (name > 'policy:' AND name < 'policy;') OR (name > 'flow:' AND name < 'flow;');
UPDATE documents SET body = sealed_document(name, body) WHERE name = 'tenant_keys';
UPDATE documents SET body = sealed_document(name, body)
  WHERE name IN ('keys', 'legal_holds') OR (name > 'policy:' AND name < 'policy;') OR (name > 'flow:' AND name < 'flow;');
-- What earlier versions of them left in pages that are free is overwritten, too.
CREATE TABLE over_free_pages (body BLOB);
INSERT INTO over_free_pages (body)
  WITH RECURSIVE pages (left) AS (
    SELECT freelist_count FROM pragma_freelist_count
    UNION ALL SELECT left - 1000 FROM pages WHERE left > 1000)
  SELECT zeroblob(min(left, 1000) * (SELECT page_size FROM pragma_page_size)) FROM pages WHERE left > 0;
DROP TABLE over_free_pages;
-- A mirror has them as they were: it needs a new snapshot.
UPDATE mirror_state SET groups = groups + 1 WHERE groups > 0;
