-- What steps of erased runs said when they failed stayed behind, in clear.
UPDATE journal SET body = without_payloads(body)
  WHERE run IN (SELECT run FROM data_keys WHERE wrapped IS NULL);
-- A mirror has them as they were: it needs a new snapshot.
UPDATE mirror_state SET groups = groups + 1 WHERE groups > 0;
