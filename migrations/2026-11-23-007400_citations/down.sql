ALTER TABLE late_interest_rate DROP COLUMN citations;
ALTER TABLE collection_law DROP COLUMN citations;
