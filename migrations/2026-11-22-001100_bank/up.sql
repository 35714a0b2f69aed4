-- What the bank says: statements, their lines, and which document each line belongs to.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('bank_line', '', 'matched'), ('bank_line', '', 'suspense'), ('bank_line', 'suspense', 'matched');

CREATE TABLE bank_statement (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    bank_account_id uuid NOT NULL REFERENCES entity_bank_account,
    reference text NOT NULL CHECK (length(reference) <= 140),
    currency char(3) NOT NULL REFERENCES currency,
    from_on date NOT NULL,
    to_on date NOT NULL,
    opening_minor bigint NOT NULL,
    closing_minor bigint NOT NULL,
    file_id uuid NOT NULL REFERENCES archived_file,
    position bigint NOT NULL CHECK (position > 0),
    imported_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT bank_statement_reference_unique UNIQUE (bank_account_id, reference),
    CONSTRAINT bank_statement_position_unique UNIQUE (bank_account_id, position)
);
CREATE INDEX bank_statement_entity ON bank_statement (entity_id);
CREATE INDEX bank_statement_file ON bank_statement (file_id);
CREATE INDEX bank_statement_imported_by ON bank_statement (imported_by);

-- Imports of one account come one after the other. NO KEY, so that an invoice that names the account need not wait.
-- The runtime role may not change accounts and so may not lock them; it locks them through this.
CREATE FUNCTION lock_bank_account(p_account uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public AS
$$ SELECT FROM entity_bank_account WHERE id = p_account FOR NO KEY UPDATE $$;
GRANT EXECUTE ON FUNCTION lock_bank_account TO umbel_app;

-- A statement opens where the one before it closed, so nothing can be missing in between.
CREATE FUNCTION check_statement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    previous bank_statement%ROWTYPE;
BEGIN
    PERFORM lock_bank_account(NEW.bank_account_id);
    SELECT * INTO previous FROM bank_statement WHERE bank_account_id = NEW.bank_account_id ORDER BY position DESC LIMIT 1;
    IF FOUND AND (previous.closing_minor <> NEW.opening_minor OR previous.position + 1 <> NEW.position) THEN
        RAISE EXCEPTION 'statement % does not follow %', NEW.reference, previous.reference
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'statement_follows';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_statement BEFORE INSERT ON bank_statement FOR EACH ROW EXECUTE FUNCTION check_statement();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_statement FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE bank_line (
    id uuid PRIMARY KEY,
    statement_id uuid NOT NULL REFERENCES bank_statement,
    bank_account_id uuid NOT NULL REFERENCES entity_bank_account,
    n integer NOT NULL CHECK (n > 0),
    state text NOT NULL,
    booked_on date NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    currency char(3) NOT NULL REFERENCES currency,
    bank_reference text NOT NULL DEFAULT '',
    end_to_end_id text NOT NULL DEFAULT '',
    structured_reference text NOT NULL DEFAULT '',
    remittance text NOT NULL DEFAULT '',
    counterparty text NOT NULL DEFAULT '',
    counterparty_iban_last4 text NOT NULL DEFAULT '',
    return_reason text NOT NULL DEFAULT '',
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    -- Two equal payments on one day are two; one payment imported twice is one.
    occurrence integer NOT NULL CHECK (occurrence > 0),
    -- What it was matched with, and who looks after it while it is not.
    matched_kind text CHECK (matched_kind IN ('invoice', 'share', 'payout_settled', 'payout_returned')),
    matched_id uuid,
    owner_id uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    UNIQUE (statement_id, n),
    CONSTRAINT bank_line_once UNIQUE (bank_account_id, fingerprint, occurrence),
    CHECK ((state = 'matched') = (matched_kind IS NOT NULL) AND (matched_kind IS NULL) = (matched_id IS NULL)),
    CHECK (state = 'matched' OR owner_id IS NOT NULL)
);
CREATE INDEX bank_line_state ON bank_line (state, booked_on, id);
CREATE INDEX bank_line_owner ON bank_line (owner_id);
CREATE INDEX bank_line_matched ON bank_line (matched_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON bank_line FOR EACH ROW EXECUTE FUNCTION guard_state('bank_line', 'no_owner');

CREATE FUNCTION guard_bank_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(OLD) - '{state,matched_kind,matched_id,owner_id,version}'::text[]
       IS DISTINCT FROM to_jsonb(NEW) - '{state,matched_kind,matched_id,owner_id,version}'::text[]
       OR OLD.state = 'matched' AND (OLD.matched_kind, OLD.matched_id) IS DISTINCT FROM (NEW.matched_kind, NEW.matched_id) THEN
        RAISE EXCEPTION 'what the bank said never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_line_immutable';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_bank_line BEFORE UPDATE ON bank_line FOR EACH ROW EXECUTE FUNCTION guard_bank_line();

-- Part of a bank line that pays an invoice.
CREATE TABLE allocation (
    id uuid PRIMARY KEY,
    bank_line_id uuid NOT NULL REFERENCES bank_line,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    allocated_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT allocation_once UNIQUE (bank_line_id, invoice_id)
);
CREATE INDEX allocation_invoice ON allocation (invoice_id);
CREATE INDEX allocation_member ON allocation (member_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON allocation FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION check_allocation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    line_amount bigint;
    gross bigint;
BEGIN
    SELECT amount_minor INTO line_amount FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE;
    SELECT gross_minor INTO gross FROM invoice WHERE id = NEW.invoice_id AND state = 'issued' FOR UPDATE;
    IF gross IS NULL
       OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = NEW.bank_line_id) > line_amount
       OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE invoice_id = NEW.invoice_id) > gross THEN
        RAISE EXCEPTION 'allocation exceeds the bank line or the invoice'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'allocation_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_allocation BEFORE INSERT ON allocation FOR EACH ROW EXECUTE FUNCTION check_allocation();

INSERT INTO ledger_source (kind, source_table) VALUES
    ('statement', 'bank_statement'), ('bank_line', 'bank_line'), ('allocation', 'allocation');
INSERT INTO ledger_event (event, source_kind) VALUES
    ('bank_opened', 'statement'), ('bank_line_booked', 'bank_line'), ('client_paid', 'allocation');

ALTER TABLE bank_statement ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON bank_statement USING (umbel_sees_all());
ALTER TABLE bank_line ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON bank_line USING (umbel_sees_all());
ALTER TABLE allocation ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON allocation USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());

GRANT SELECT, INSERT ON bank_statement, allocation TO umbel_app;
GRANT SELECT, INSERT, UPDATE ON bank_line TO umbel_app;
