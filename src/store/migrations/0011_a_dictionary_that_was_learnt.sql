-- Steps and leaves are packed under a learnt dictionary (codec.h, formats 4 and 5). Earlier programs cannot read that and
-- would call it damage: they are to say instead that the database is newer than they are.
SELECT 1;
