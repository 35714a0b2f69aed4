-- Applications, members, where they are paid, their shares, their activities.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('application', '', 'draft'),
    ('application', 'draft', 'submitted'), ('application', 'draft', 'withdrawn'),
    ('application', 'submitted', 'in_review'), ('application', 'submitted', 'withdrawn'),
    ('application', 'in_review', 'info_requested'), ('application', 'in_review', 'accepted'),
    ('application', 'in_review', 'rejected'), ('application', 'in_review', 'withdrawn'),
    ('application', 'info_requested', 'submitted'), ('application', 'info_requested', 'withdrawn'),
    ('member', '', 'pending_share'), ('member', 'pending_share', 'active'),
    ('member', 'active', 'suspended'), ('member', 'suspended', 'active'),
    ('share', '', 'subscribed'), ('share', 'subscribed', 'paid');

CREATE TABLE application (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    entity_id uuid NOT NULL REFERENCES entity,
    state text NOT NULL DEFAULT 'draft',
    birth_date date,
    phone text CHECK (length(phone) <= 40),
    trade text CHECK (length(trade) <= 200),
    enterprise_number text CHECK (length(enterprise_number) <= 20),
    street text CHECK (length(street) <= 70),
    building_number text CHECK (length(building_number) <= 16),
    postcode text CHECK (length(postcode) <= 16),
    town text CHECK (length(town) <= 35),
    country char(2),
    agreement_id uuid REFERENCES agreement,
    agreement_accepted_at timestamptz,
    agreement_address text,
    decided_by uuid REFERENCES person CONSTRAINT application_decider_is_another CHECK (decided_by <> person_id),
    decided_at timestamptz,
    message text CHECK (length(message) <= 2000),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    submitted_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    CHECK ((agreement_id IS NULL) = (agreement_accepted_at IS NULL)),
    CHECK (state NOT IN ('accepted', 'rejected') OR decided_by IS NOT NULL)
);
CREATE UNIQUE INDEX application_one_open ON application (person_id)
    WHERE state IN ('draft', 'submitted', 'in_review', 'info_requested', 'accepted');
CREATE INDEX application_state ON application (state, submitted_at, id);
CREATE INDEX application_entity ON application (entity_id);
CREATE INDEX application_agreement ON application (agreement_id);
CREATE INDEX application_decided_by ON application (decided_by);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON application FOR EACH ROW EXECUTE FUNCTION guard_state('application', 'person_id');

CREATE TABLE member (
    id uuid PRIMARY KEY REFERENCES person,
    entity_id uuid NOT NULL REFERENCES entity,
    application_id uuid NOT NULL CONSTRAINT member_application_unique UNIQUE REFERENCES application,
    number bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT member_number_unique UNIQUE,
    state text NOT NULL DEFAULT 'pending_share',
    street text NOT NULL,
    building_number text NOT NULL,
    postcode text NOT NULL,
    town text NOT NULL,
    country char(2) NOT NULL,
    enterprise_number text,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1
);
CREATE INDEX member_entity ON member (entity_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON member FOR EACH ROW EXECUTE FUNCTION guard_state('member', 'id');

-- Where a member is paid. The IBAN is sealed by the program; the index finds equal ones without opening them.
CREATE TABLE payee_account (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    holder text NOT NULL CHECK (length(holder) BETWEEN 1 AND 70),
    iban_sealed bytea NOT NULL,
    iban_index bytea NOT NULL CHECK (octet_length(iban_index) = 32),
    iban_country char(2) NOT NULL,
    iban_last4 char(4) NOT NULL,
    verified_at timestamptz,
    verified_by uuid REFERENCES person CONSTRAINT payee_account_verifier_is_another CHECK (verified_by <> person_id),
    superseded_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CHECK ((verified_at IS NULL) = (verified_by IS NULL))
);
CREATE UNIQUE INDEX payee_account_one_live ON payee_account (person_id) WHERE superseded_at IS NULL;
CREATE INDEX payee_account_index ON payee_account (iban_index);
CREATE INDEX payee_account_verified_by ON payee_account (verified_by);

CREATE TABLE share (
    id uuid PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES member,
    entity_id uuid NOT NULL REFERENCES entity,
    certificate bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT share_certificate_unique UNIQUE,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
    nominal_minor bigint NOT NULL CHECK (nominal_minor > 0),
    currency char(3) NOT NULL REFERENCES currency,
    payment_reference char(12) CONSTRAINT share_reference_unique UNIQUE,
    state text NOT NULL DEFAULT 'subscribed',
    subscribed_on date NOT NULL,
    paid_on date,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((state = 'paid') = (paid_on IS NOT NULL))
);
CREATE INDEX share_member ON share (member_id);
CREATE INDEX share_entity ON share (entity_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON share FOR EACH ROW EXECUTE FUNCTION guard_state('share', 'member_id');

CREATE TABLE activity (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 140),
    closed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    UNIQUE (member_id, id)
);
CREATE INDEX activity_entity ON activity (entity_id);
CREATE TRIGGER version BEFORE UPDATE ON activity FOR EACH ROW EXECUTE FUNCTION step_version();

INSERT INTO ledger_source (kind, source_table) VALUES ('share', 'share');
INSERT INTO ledger_event (event, source_kind) VALUES ('share_subscribed', 'share'), ('share_paid', 'share');

ALTER TABLE application ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON application USING (umbel_owns(person_id));
ALTER TABLE member ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON member USING (umbel_owns(id));
ALTER TABLE payee_account ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON payee_account USING (umbel_owns(person_id));
ALTER TABLE share ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON share USING (umbel_owns(member_id));
ALTER TABLE activity ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON activity USING (umbel_owns(member_id));

GRANT SELECT, INSERT, UPDATE ON application, member, activity TO umbel_app;
-- Where somebody is paid and what somebody subscribed never changes: a new account is a new row.
GRANT SELECT, INSERT, UPDATE (verified_at, verified_by, superseded_at) ON payee_account TO umbel_app;
GRANT SELECT, INSERT, UPDATE (state, paid_on, payment_reference) ON share TO umbel_app;
