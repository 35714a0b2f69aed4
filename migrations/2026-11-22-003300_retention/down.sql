DROP TRIGGER set_retention ON archived_file;
DROP FUNCTION set_retention;
ALTER TABLE archived_file DROP COLUMN retention_class, DROP COLUMN keep_until;
DROP FUNCTION retention_until;
DROP FUNCTION retention_class;
DROP TABLE retention_rule;
