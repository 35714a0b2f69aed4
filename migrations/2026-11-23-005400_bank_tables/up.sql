-- Which column of a bank's table of text is what. A profile never changes; a new one takes its place.
CREATE TABLE bank_csv_profile (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    bank_account_id uuid NOT NULL REFERENCES entity_bank_account,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    layout jsonb NOT NULL CHECK (jsonb_typeof(layout) = 'object'),
    created_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT bank_csv_profile_name_unique UNIQUE (bank_account_id, name)
);
CREATE INDEX bank_csv_profile_entity ON bank_csv_profile (entity_id);
CREATE INDEX bank_csv_profile_created_by ON bank_csv_profile (created_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_csv_profile FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE bank_csv_profile ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON bank_csv_profile USING (umbel_sees_all());
GRANT SELECT, INSERT ON bank_csv_profile TO umbel_app;
