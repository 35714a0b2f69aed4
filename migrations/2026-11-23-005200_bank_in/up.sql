-- What the bank says beside its statements, payments that are taken back, and large files.

-- Notes of the bank (camt.052, camt.054). Nothing is booked by them: the statement says it again. Where a statement has
-- one line for several payments, they say what it is made of.
CREATE TABLE bank_notice (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    bank_account_id uuid NOT NULL REFERENCES entity_bank_account,
    kind text NOT NULL CHECK (kind IN ('report', 'notification')),
    reference text NOT NULL CHECK (length(reference) BETWEEN 1 AND 140),
    lines_new integer NOT NULL CHECK (lines_new >= 0),
    lines_known integer NOT NULL CHECK (lines_known >= 0),
    file_id uuid NOT NULL REFERENCES archived_file,
    imported_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT bank_notice_once UNIQUE (bank_account_id, kind, reference)
);
CREATE INDEX bank_notice_entity ON bank_notice (entity_id);
CREATE INDEX bank_notice_file ON bank_notice (file_id);
CREATE INDEX bank_notice_imported_by ON bank_notice (imported_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_notice FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE bank_notice_line (
    id uuid PRIMARY KEY,
    notice_id uuid NOT NULL REFERENCES bank_notice,
    bank_account_id uuid NOT NULL REFERENCES entity_bank_account,
    n integer NOT NULL CHECK (n > 0),
    booked_on date NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    currency char(3) NOT NULL REFERENCES currency,
    -- Of the whole booking: the line of the statement carries it too.
    entry_reference text NOT NULL DEFAULT '',
    bank_reference text NOT NULL DEFAULT '',
    end_to_end_id text NOT NULL DEFAULT '',
    structured_reference text NOT NULL DEFAULT '',
    remittance text NOT NULL DEFAULT '',
    counterparty text NOT NULL DEFAULT '',
    counterparty_iban_last4 text NOT NULL DEFAULT '',
    return_reason text NOT NULL DEFAULT '',
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    occurrence integer NOT NULL CHECK (occurrence > 0),
    -- The line of a statement that it explains, once that came.
    bank_line_id uuid REFERENCES bank_line,
    UNIQUE (notice_id, n),
    CONSTRAINT bank_notice_line_once UNIQUE (bank_account_id, fingerprint, occurrence)
);
CREATE INDEX bank_notice_line_entry ON bank_notice_line (bank_account_id, entry_reference) WHERE entry_reference <> '';
CREATE INDEX bank_notice_line_explains ON bank_notice_line (bank_line_id);
CREATE FUNCTION guard_bank_notice_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.bank_line_id IS NOT NULL
       OR to_jsonb(OLD) - 'bank_line_id' IS DISTINCT FROM to_jsonb(NEW) - 'bank_line_id' THEN
        RAISE EXCEPTION 'what the bank said never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_line_immutable';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_bank_notice_line BEFORE UPDATE OR DELETE ON bank_notice_line FOR EACH ROW EXECUTE FUNCTION guard_bank_notice_line();
ALTER TABLE bank_notice ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON bank_notice USING (umbel_sees_all());
ALTER TABLE bank_notice_line ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON bank_notice_line USING (umbel_sees_all());
GRANT SELECT, INSERT ON bank_notice, bank_notice_line TO umbel_app;
GRANT UPDATE (bank_line_id) ON bank_notice_line TO umbel_app;

-- A payment that was matched with the wrong invoice is taken back by a second allocation with the sign turned round, so
-- that every sum of allocations stays what it says. The last payment of an invoice goes first.
ALTER TABLE allocation DROP CONSTRAINT allocation_amount_minor_check;
ALTER TABLE allocation DROP CONSTRAINT allocation_once;
ALTER TABLE allocation ADD COLUMN reverses_id uuid CONSTRAINT allocation_taken_back_once UNIQUE REFERENCES allocation;
ALTER TABLE allocation ADD COLUMN reason text CHECK (length(reason) BETWEEN 1 AND 500);
ALTER TABLE allocation ADD COLUMN taken_back_by uuid REFERENCES person;
ALTER TABLE allocation ADD CONSTRAINT allocation_amount_minor_check
    CHECK (amount_minor <> 0 AND (amount_minor < 0) = (reverses_id IS NOT NULL)
           AND (reverses_id IS NULL) = (reason IS NULL) AND (reverses_id IS NULL) = (taken_back_by IS NULL));
CREATE INDEX allocation_bank_line ON allocation (bank_line_id);
CREATE INDEX allocation_taken_back_by ON allocation (taken_back_by);

CREATE FUNCTION check_taken_back() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    paid allocation;
BEGIN
    IF NEW.reverses_id IS NULL THEN
        -- A line pays an invoice once at a time.
        IF (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE (bank_line_id, invoice_id) = (NEW.bank_line_id, NEW.invoice_id)) <> 0 THEN
            RAISE EXCEPTION 'the line pays this invoice already' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'allocation_once';
        END IF;
        RETURN NEW;
    END IF;
    PERFORM FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE;
    PERFORM FROM invoice WHERE id = NEW.invoice_id FOR UPDATE;
    SELECT * INTO paid FROM allocation WHERE id = NEW.reverses_id AND reverses_id IS NULL;
    IF paid.id IS NULL
       OR (paid.bank_line_id, paid.invoice_id, paid.member_id, paid.amount_minor)
          IS DISTINCT FROM (NEW.bank_line_id, NEW.invoice_id, NEW.member_id, -NEW.amount_minor)
       OR NEW.taken_back_by = NEW.member_id
       OR EXISTS (SELECT FROM allocation l
                  JOIN journal_entry e ON (e.source_kind, e.source_id, e.event) = ('allocation', l.id, 'client_paid')
                  JOIN journal_entry f ON (f.source_kind, f.source_id, f.event) = ('allocation', paid.id, 'client_paid')
                  WHERE l.invoice_id = NEW.invoice_id AND e.id > f.id
                    AND NOT EXISTS (SELECT FROM allocation b WHERE b.reverses_id = l.id)) THEN
        RAISE EXCEPTION 'a payment is taken back whole, the last of an invoice first' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'allocation_taken_back';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_check_taken_back BEFORE INSERT ON allocation FOR EACH ROW EXECUTE FUNCTION check_taken_back();
DROP TRIGGER check_allocation ON allocation;
CREATE TRIGGER check_allocation BEFORE INSERT ON allocation FOR EACH ROW WHEN (NEW.reverses_id IS NULL) EXECUTE FUNCTION check_allocation();
DROP TRIGGER check_recovered ON allocation;
CREATE TRIGGER check_recovered BEFORE INSERT ON allocation FOR EACH ROW WHEN (NEW.reverses_id IS NULL) EXECUTE FUNCTION check_allocation_after_recovery();

INSERT INTO ledger_event (event, source_kind) VALUES ('payment_taken_back', 'allocation');
INSERT INTO state_transition (machine, from_state, to_state) VALUES ('bank_line', 'matched', 'suspense');

-- What a line was matched with changes only where a payment by it was taken back.
CREATE OR REPLACE FUNCTION guard_bank_line() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF to_jsonb(OLD) - '{state,matched_kind,matched_id,owner_id,version}'::text[]
       IS DISTINCT FROM to_jsonb(NEW) - '{state,matched_kind,matched_id,owner_id,version}'::text[]
       OR OLD.state = 'matched' AND (OLD.matched_kind, OLD.matched_id) IS DISTINCT FROM (NEW.matched_kind, NEW.matched_id)
          AND NOT EXISTS (SELECT FROM allocation WHERE bank_line_id = OLD.id AND reverses_id IS NOT NULL)
       OR OLD.state = 'matched' AND NEW.state = 'suspense'
          AND (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = OLD.id) <> 0 THEN
        RAISE EXCEPTION 'what the bank said never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_line_immutable';
    END IF;
    RETURN NEW;
END $$;

ALTER TABLE bank_line DROP CONSTRAINT bank_line_matched_kind_check;
ALTER TABLE bank_line ADD CONSTRAINT bank_line_matched_kind_check CHECK (matched_kind IN
    ('redemption', 'invoice', 'cost', 'share', 'payout_settled', 'payout_returned', 'recovery', 'payouts', 'bank_charge', 'client_credit', 'client_refund'));

-- A large file is kept packed; its hash is that of what the bank sent.
ALTER TABLE archived_file ADD COLUMN packing text CHECK (packing = 'gzip');
ALTER TABLE archived_file DROP CONSTRAINT archived_file_check;
ALTER TABLE archived_file DROP CONSTRAINT archived_file_hash_is_its_own;
ALTER TABLE archived_file ADD CONSTRAINT archived_file_check CHECK (packing IS NOT NULL OR octet_length(bytes) = size);
ALTER TABLE archived_file ADD CONSTRAINT archived_file_hash_is_its_own CHECK (packing IS NOT NULL OR sha256 = sha256(bytes));
ALTER TABLE archived_file ADD CONSTRAINT archived_file_packed_is_a_statement CHECK (packing IS NULL OR kind = 'bank_statement');

-- Lines of a statement that an earlier one brought already: a period that overlaps.
ALTER TABLE bank_statement ADD COLUMN lines_known integer NOT NULL DEFAULT 0 CHECK (lines_known >= 0);
