-- What a bank charges and the interest that it pays: a fact of its own, so that it can be undone; above what one person books
-- alone, two decide. And what is kept for a client by mistake waits with its line again.

CREATE TABLE bank_charge (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    bank_line_id uuid NOT NULL REFERENCES bank_line,
    -- The payout with whose line the bank took it; none when the whole line is the charge.
    payout_id uuid REFERENCES payout,
    -- What the bank took; below zero, what it paid.
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    currency char(3) NOT NULL REFERENCES currency,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    state text NOT NULL,
    proposed_by uuid NOT NULL REFERENCES person,
    decided_by uuid REFERENCES person CONSTRAINT bank_charge_by_another CHECK (decided_by <> proposed_by),
    booked_on date,
    reversed_by uuid REFERENCES person,
    reversed_on date,
    reversal_reason text CHECK (length(reversal_reason) BETWEEN 1 AND 500),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((state IN ('booked', 'reversed')) = (booked_on IS NOT NULL)),
    CHECK ((state = 'reversed') = (reversed_by IS NOT NULL) AND (state = 'reversed') = (reversed_on IS NOT NULL)
        AND (state = 'reversed') = (reversal_reason IS NOT NULL)),
    CONSTRAINT bank_charge_needs_two CHECK (booked_on IS NULL OR decided_by IS NOT NULL OR abs(amount_minor) <= 5000)
);
CREATE INDEX bank_charge_entity ON bank_charge (entity_id);
CREATE INDEX bank_charge_line ON bank_charge (bank_line_id);
CREATE INDEX bank_charge_payout ON bank_charge (payout_id);
CREATE INDEX bank_charge_proposed_by ON bank_charge (proposed_by);
CREATE INDEX bank_charge_decided_by ON bank_charge (decided_by);
CREATE INDEX bank_charge_reversed_by ON bank_charge (reversed_by);
CREATE INDEX bank_charge_state ON bank_charge (state, id);
CREATE UNIQUE INDEX bank_charge_one ON bank_charge (bank_line_id) WHERE state IN ('proposed', 'booked');
INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('bank_charge', '', 'proposed'), ('bank_charge', '', 'booked'), ('bank_charge', 'proposed', 'booked'),
    ('bank_charge', 'proposed', 'refused'), ('bank_charge', 'booked', 'reversed');

CREATE FUNCTION guard_bank_charge() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    line bank_line;
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND (
       to_jsonb(OLD) - '{state,decided_by,booked_on,reversed_by,reversed_on,reversal_reason,version}'::text[]
          IS DISTINCT FROM to_jsonb(NEW) - '{state,decided_by,booked_on,reversed_by,reversed_on,reversal_reason,version}'::text[]
       OR OLD.state <> 'proposed' AND (OLD.decided_by, OLD.booked_on) IS DISTINCT FROM (NEW.decided_by, NEW.booked_on)) THEN
        RAISE EXCEPTION 'what a charge says never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_charge_immutable';
    END IF;
    SELECT * INTO line FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE;
    IF NEW.currency <> line.currency OR NEW.payout_id IS NULL AND NEW.amount_minor <> -line.amount_minor THEN
        RAISE EXCEPTION 'the charge is not its line' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_charge_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_bank_charge BEFORE INSERT OR UPDATE OR DELETE ON bank_charge FOR EACH ROW EXECUTE FUNCTION guard_bank_charge();
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON bank_charge FOR EACH ROW EXECUTE FUNCTION guard_state('bank_charge', 'no_owner');
ALTER TABLE bank_charge ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON bank_charge USING (umbel_sees_all());
GRANT SELECT, INSERT, UPDATE (state, decided_by, booked_on, reversed_by, reversed_on, reversal_reason) ON bank_charge TO umbel_app;

-- A credit that was given by mistake, before anything of it was used.
CREATE TABLE client_credit_withdrawal (
    credit_id uuid PRIMARY KEY REFERENCES client_credit,
    member_id uuid NOT NULL REFERENCES member,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    withdrawn_on date NOT NULL,
    withdrawn_by uuid NOT NULL REFERENCES person CONSTRAINT client_credit_by_another CHECK (withdrawn_by <> member_id),
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX client_credit_withdrawal_member ON client_credit_withdrawal (member_id);
CREATE INDEX client_credit_withdrawal_by ON client_credit_withdrawal (withdrawn_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON client_credit_withdrawal FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE client_credit_withdrawal ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON client_credit_withdrawal USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
GRANT SELECT, INSERT ON client_credit_withdrawal TO umbel_app;

CREATE OR REPLACE VIEW bank_line_part WITH (security_invoker = true) AS
    SELECT bank_line_id, amount_minor FROM allocation
    UNION ALL SELECT bank_line_id, amount_minor FROM recovery
    UNION ALL SELECT bank_line_id, amount_minor FROM exchange_difference WHERE bank_line_id IS NOT NULL
    UNION ALL SELECT bank_line_id, amount_minor FROM client_credit
    UNION ALL SELECT c.bank_line_id, -u.amount_minor FROM client_credit_use u JOIN client_credit c ON c.id = u.credit_id
    UNION ALL SELECT c.bank_line_id, -c.amount_minor FROM client_credit_withdrawal w JOIN client_credit c ON c.id = w.credit_id;

-- A credit holds what was given; nothing, when it was withdrawn; and it is withdrawn whole, before anything of it is asked for.
CREATE OR REPLACE FUNCTION check_credit_left() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    given client_credit;
BEGIN
    SELECT * INTO given FROM client_credit WHERE id = NEW.credit_id FOR UPDATE;
    IF given.id IS NULL OR given.member_id <> NEW.member_id
       OR (SELECT coalesce(sum(amount_minor), 0) FROM client_credit_use WHERE credit_id = given.id)
          + (SELECT coalesce(sum(amount_minor), 0) FROM client_refund WHERE credit_id = given.id AND state IN ('approved', 'paid'))
          > (CASE WHEN EXISTS (SELECT FROM client_credit_withdrawal WHERE credit_id = given.id) THEN 0 ELSE given.amount_minor END) THEN
        RAISE EXCEPTION 'the credit of the client does not hold that much' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'client_credit_exceeded';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION check_credit_withdrawal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    given client_credit;
BEGIN
    SELECT * INTO given FROM client_credit WHERE id = NEW.credit_id FOR UPDATE;
    IF given.member_id <> NEW.member_id OR EXISTS (SELECT FROM client_credit_use WHERE credit_id = given.id)
       OR EXISTS (SELECT FROM client_refund WHERE credit_id = given.id AND state IN ('requested', 'approved', 'paid')) THEN
        RAISE EXCEPTION 'the credit of the client is used' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'client_credit_in_use';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_credit_withdrawal AFTER INSERT ON client_credit_withdrawal FOR EACH ROW EXECUTE FUNCTION check_credit_withdrawal();

-- A refund that was approved and not paid may be withdrawn.
INSERT INTO state_transition (machine, from_state, to_state) VALUES ('client_refund', 'approved', 'withdrawn');

CREATE OR REPLACE FUNCTION guard_bank_line() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF to_jsonb(OLD) - '{state,matched_kind,matched_id,owner_id,version}'::text[]
       IS DISTINCT FROM to_jsonb(NEW) - '{state,matched_kind,matched_id,owner_id,version}'::text[]
       OR OLD.state = 'matched' AND (OLD.matched_kind, OLD.matched_id) IS DISTINCT FROM (NEW.matched_kind, NEW.matched_id)
          AND NOT EXISTS (SELECT FROM allocation WHERE bank_line_id = OLD.id AND reverses_id IS NOT NULL)
          AND NOT EXISTS (SELECT FROM client_credit_withdrawal w JOIN client_credit c ON c.id = w.credit_id WHERE c.bank_line_id = OLD.id)
          AND NOT (OLD.matched_kind = 'bank_charge' AND EXISTS (SELECT FROM bank_charge WHERE bank_line_id = OLD.id AND state = 'reversed')
                   AND NOT EXISTS (SELECT FROM bank_charge WHERE bank_line_id = OLD.id AND state = 'booked'))
       OR OLD.state = 'matched' AND NEW.state = 'suspense'
          AND (SELECT coalesce(sum(amount_minor), 0) FROM bank_line_part WHERE bank_line_id = OLD.id) <> 0 THEN
        RAISE EXCEPTION 'what the bank said never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_line_immutable';
    END IF;
    RETURN NEW;
END $$;

INSERT INTO ledger_source (kind, source_table) VALUES ('bank_charge', 'bank_charge');
-- Entries of before keep their line as their fact.
UPDATE ledger_event SET source_kind = 'bank_charge' WHERE event = 'bank_charged';
INSERT INTO ledger_event (event, source_kind) VALUES ('bank_charge_reversed', 'bank_charge'), ('client_credit_withdrawn', 'client_credit');

-- What is booked as charges is what the charges say, and nothing of those that were reversed.
CREATE VIEW invariant_i44_charges_are_booked WITH (security_invoker = true) AS
SELECT coalesce(c.id, l.source_id)::text AS subject, format('charge %s, ledger %s', coalesce(c.amount, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT id, amount_minor AS amount FROM bank_charge WHERE state = 'booked') c
FULL JOIN (SELECT e.source_id, sum(p.amount_minor) AS amount FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE p.account = 'bank_charges' AND e.source_kind <> 'bank_line' GROUP BY e.source_id HAVING sum(p.amount_minor) <> 0) l ON l.source_id = c.id
WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0);
GRANT SELECT ON invariant_i44_charges_are_booked TO umbel_app;

CREATE OR REPLACE VIEW invariant_i40_credits_are_kept WITH (security_invoker = true) AS
SELECT coalesce(coalesce(c.client_id, l.client_id)::text, 'nobody') AS subject, format('credited %s, ledger %s', coalesce(c.amount, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT g.client_id, sum(g.amount_minor
                 - (SELECT coalesce(sum(u.amount_minor), 0) FROM client_credit_use u WHERE u.credit_id = g.id)
                 - (SELECT coalesce(sum(r.amount_minor), 0) FROM client_refund r WHERE r.credit_id = g.id AND r.state = 'paid')) AS amount
      FROM client_credit g WHERE NOT EXISTS (SELECT FROM client_credit_withdrawal w WHERE w.credit_id = g.id) GROUP BY g.client_id) c
FULL JOIN (SELECT client_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'client_credit' GROUP BY client_id) l ON l.client_id = c.client_id
WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0);
