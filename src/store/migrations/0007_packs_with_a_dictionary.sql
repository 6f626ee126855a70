-- Steps and leaves are packed under a dictionary (codec.h, format 2). Earlier programs cannot read that and would call
-- it damage: they are to say instead that the database is newer than they are.
SELECT 1;
