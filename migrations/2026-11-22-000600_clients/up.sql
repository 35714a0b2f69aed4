-- Who buys. Each member sees their own relation with a client; a client in use is archived, never deleted.

CREATE TABLE client (
    id uuid PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES member,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (kind IN ('business', 'public_body', 'consumer')),
    email text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    language text NOT NULL CHECK (language IN ('fr', 'nl', 'en', 'de')),
    vat_number text CHECK (length(vat_number) <= 20),
    street text NOT NULL CHECK (length(street) BETWEEN 1 AND 70),
    building_number text NOT NULL CHECK (length(building_number) <= 16),
    postcode text NOT NULL CHECK (length(postcode) BETWEEN 1 AND 16),
    town text NOT NULL CHECK (length(town) BETWEEN 1 AND 35),
    country char(2) NOT NULL,
    archived_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    UNIQUE (member_id, id)
);
CREATE INDEX client_vat_number ON client (vat_number) WHERE vat_number IS NOT NULL;
CREATE TRIGGER version BEFORE UPDATE ON client FOR EACH ROW EXECUTE FUNCTION step_version();

-- What the VAT registry answered, kept as proof.
CREATE TABLE vat_check (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id uuid NOT NULL REFERENCES client,
    member_id uuid NOT NULL,
    vat_number text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('valid', 'invalid', 'unavailable')),
    registered_name text,
    source text NOT NULL,
    consultation text,
    checked_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX vat_check_client ON vat_check (client_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON vat_check FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE client ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON client USING (umbel_owns(member_id));
ALTER TABLE vat_check ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON vat_check USING (umbel_owns(member_id));

GRANT SELECT, INSERT, UPDATE ON client TO umbel_app;
GRANT SELECT, INSERT ON vat_check TO umbel_app;
