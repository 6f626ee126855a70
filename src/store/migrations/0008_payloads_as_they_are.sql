-- Bodies hold their payloads as they are and their steps packed (codec.h, format 3). Earlier programs cannot read that and
-- would call it damage: they are to say instead that the database is newer than they are.
SELECT 1;
