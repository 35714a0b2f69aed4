-- How the documents of an entity look: the newest row counts. Documents that are made keep how they were made.
CREATE TABLE entity_design (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    main_colour text NOT NULL CHECK (main_colour ~ '^#[0-9a-f]{6}$'),
    second_colour text CHECK (second_colour ~ '^#[0-9a-f]{6}$'),
    address_window text NOT NULL CHECK (address_window IN ('left', 'right')),
    logo_id uuid REFERENCES archived_file,
    set_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX entity_design_entity ON entity_design (entity_id, created_at DESC, id DESC);
CREATE INDEX entity_design_logo ON entity_design (logo_id);
CREATE INDEX entity_design_set_by ON entity_design (set_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON entity_design FOR EACH ROW EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON entity_design TO umbel_app;
