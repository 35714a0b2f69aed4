-- Money of clients beyond what they owe: kept for them, used for another invoice, or given back; and what banks charge.

INSERT INTO ledger_account (code, kind, dimension) VALUES ('client_credit', 'liability', 'bank_line_id'), ('bank_charges', 'expense', 'bank_line_id');

CREATE TABLE client_credit (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    client_id uuid NOT NULL REFERENCES client,
    member_id uuid NOT NULL REFERENCES member,
    bank_line_id uuid NOT NULL REFERENCES bank_line,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency char(3) NOT NULL REFERENCES currency,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    credited_on date NOT NULL,
    credited_by uuid NOT NULL REFERENCES person CONSTRAINT client_credit_by_another CHECK (credited_by <> member_id),
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX client_credit_entity ON client_credit (entity_id);
CREATE INDEX client_credit_client ON client_credit (client_id);
CREATE INDEX client_credit_member ON client_credit (member_id);
CREATE INDEX client_credit_bank_line ON client_credit (bank_line_id);
CREATE INDEX client_credit_credited_by ON client_credit (credited_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON client_credit FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What went from a credit back to its line, because that pays an invoice.
CREATE TABLE client_credit_use (
    id uuid PRIMARY KEY,
    credit_id uuid NOT NULL REFERENCES client_credit,
    member_id uuid NOT NULL REFERENCES member,
    invoice_id uuid NOT NULL REFERENCES invoice,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    used_on date NOT NULL,
    used_by uuid NOT NULL REFERENCES person CONSTRAINT client_credit_by_another CHECK (used_by <> member_id),
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX client_credit_use_credit ON client_credit_use (credit_id);
CREATE INDEX client_credit_use_member ON client_credit_use (member_id);
CREATE INDEX client_credit_use_invoice ON client_credit_use (invoice_id);
CREATE INDEX client_credit_use_used_by ON client_credit_use (used_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON client_credit_use FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What is given back to a client: asked for by one person, approved by another, paid when the bank says so.
CREATE TABLE client_refund (
    id uuid PRIMARY KEY,
    credit_id uuid NOT NULL REFERENCES client_credit,
    entity_id uuid NOT NULL REFERENCES entity,
    client_id uuid NOT NULL REFERENCES client,
    member_id uuid NOT NULL REFERENCES member,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency char(3) NOT NULL REFERENCES currency,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    state text NOT NULL,
    requested_by uuid NOT NULL REFERENCES person,
    decided_by uuid REFERENCES person,
    decided_at timestamptz,
    decision text CHECK (length(decision) BETWEEN 1 AND 500),
    bank_line_id uuid CONSTRAINT client_refund_line_once UNIQUE REFERENCES bank_line,
    paid_on date,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((state = 'requested') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)),
    CHECK ((state = 'paid') = (bank_line_id IS NOT NULL) AND (bank_line_id IS NULL) = (paid_on IS NULL)),
    CONSTRAINT client_refund_four_eyes CHECK (requested_by <> decided_by AND requested_by <> member_id AND decided_by <> member_id)
);
CREATE INDEX client_refund_credit ON client_refund (credit_id);
CREATE INDEX client_refund_entity ON client_refund (entity_id);
CREATE INDEX client_refund_client ON client_refund (client_id);
CREATE INDEX client_refund_member ON client_refund (member_id);
CREATE INDEX client_refund_requested_by ON client_refund (requested_by);
CREATE INDEX client_refund_decided_by ON client_refund (decided_by);
INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('client_refund', '', 'requested'), ('client_refund', 'requested', 'approved'), ('client_refund', 'requested', 'rejected'),
    ('client_refund', 'approved', 'paid');
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON client_refund FOR EACH ROW EXECUTE FUNCTION guard_state('client_refund', 'member_id');
CREATE FUNCTION guard_client_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
       OR to_jsonb(OLD) - '{state,decided_by,decided_at,decision,bank_line_id,paid_on,version}'::text[]
          IS DISTINCT FROM to_jsonb(NEW) - '{state,decided_by,decided_at,decision,bank_line_id,paid_on,version}'::text[]
       OR OLD.decided_by IS NOT NULL AND (OLD.decided_by, OLD.decided_at, OLD.decision) IS DISTINCT FROM (NEW.decided_by, NEW.decided_at, NEW.decision)
       OR OLD.state = 'paid' THEN
        RAISE EXCEPTION 'what a refund says never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'client_refund_immutable';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_client_refund BEFORE UPDATE OR DELETE ON client_refund FOR EACH ROW EXECUTE FUNCTION guard_client_refund();

-- What explains a line in parts.
CREATE VIEW bank_line_part WITH (security_invoker = true) AS
    SELECT bank_line_id, amount_minor FROM allocation
    UNION ALL SELECT bank_line_id, amount_minor FROM recovery
    UNION ALL SELECT bank_line_id, amount_minor FROM exchange_difference WHERE bank_line_id IS NOT NULL
    UNION ALL SELECT bank_line_id, amount_minor FROM client_credit
    UNION ALL SELECT c.bank_line_id, -u.amount_minor FROM client_credit_use u JOIN client_credit c ON c.id = u.credit_id;
GRANT SELECT ON bank_line_part TO umbel_app;

-- The parts of a line never come to more than it, whatever they are.
CREATE FUNCTION check_line_parts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    line bank_line;
BEGIN
    SELECT * INTO line FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE;
    IF line.id IS NOT NULL AND (SELECT coalesce(sum(amount_minor), 0) FROM bank_line_part WHERE bank_line_id = line.id) > greatest(line.amount_minor, 0) THEN
        RAISE EXCEPTION 'the parts exceed the bank line' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'allocation_fits';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_line_parts AFTER INSERT ON allocation FOR EACH ROW EXECUTE FUNCTION check_line_parts();
CREATE TRIGGER check_line_parts AFTER INSERT ON recovery FOR EACH ROW EXECUTE FUNCTION check_line_parts();
CREATE TRIGGER check_line_parts AFTER INSERT ON exchange_difference FOR EACH ROW EXECUTE FUNCTION check_line_parts();
CREATE TRIGGER check_line_parts AFTER INSERT ON client_credit FOR EACH ROW EXECUTE FUNCTION check_line_parts();

-- A credit is used once: by invoices of the same client, and by refunds that were approved.
CREATE FUNCTION check_credit_left() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    given client_credit;
BEGIN
    SELECT * INTO given FROM client_credit WHERE id = NEW.credit_id FOR UPDATE;
    IF given.id IS NULL OR given.member_id <> NEW.member_id
       OR (SELECT coalesce(sum(amount_minor), 0) FROM client_credit_use WHERE credit_id = given.id)
          + (SELECT coalesce(sum(amount_minor), 0) FROM client_refund WHERE credit_id = given.id AND state IN ('approved', 'paid'))
          > given.amount_minor THEN
        RAISE EXCEPTION 'the credit of the client does not hold that much' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'client_credit_exceeded';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_credit_left AFTER INSERT ON client_credit_use FOR EACH ROW EXECUTE FUNCTION check_credit_left();
CREATE TRIGGER check_credit_left AFTER INSERT OR UPDATE ON client_refund FOR EACH ROW EXECUTE FUNCTION check_credit_left();

INSERT INTO ledger_source (kind, source_table) VALUES
    ('client_credit', 'client_credit'), ('client_credit_use', 'client_credit_use'), ('client_refund', 'client_refund');
INSERT INTO ledger_event (event, source_kind) VALUES
    ('client_credited', 'client_credit'), ('client_credit_used', 'client_credit_use'), ('client_refunded', 'client_refund'),
    ('bank_charged', 'bank_line');

ALTER TABLE client_credit ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON client_credit USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE client_credit_use ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON client_credit_use USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE client_refund ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON client_refund USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
GRANT SELECT, INSERT ON client_credit, client_credit_use, client_refund TO umbel_app;
GRANT UPDATE (state, decided_by, decided_at, decision, bank_line_id, paid_on) ON client_refund TO umbel_app;

CREATE OR REPLACE VIEW invariant_i16_suspense_has_owner WITH (security_invoker = true) AS
SELECT coalesce(b.id, l.bank_line_id)::text AS subject,
       format('unmatched line %s, ledger %s', coalesce(b.rest, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT x.id, CASE WHEN x.state = 'suspense' THEN x.amount_minor::numeric
                        WHEN x.matched_kind IN ('invoice', 'recovery', 'client_credit') THEN x.amount_minor::numeric
                            - (SELECT coalesce(sum(p.amount_minor), 0) FROM bank_line_part p WHERE p.bank_line_id = x.id)
                        ELSE 0::numeric END AS rest
      FROM bank_line x) b
FULL JOIN (SELECT bank_line_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'bank_suspense' GROUP BY bank_line_id
           HAVING sum(amount_minor) <> 0) l ON l.bank_line_id = b.id
WHERE coalesce(b.rest, 0) <> coalesce(l.amount, 0);

-- What the books keep for a client is what was credited, less what was used and given back.
CREATE VIEW invariant_i40_credits_are_kept WITH (security_invoker = true) AS
SELECT coalesce(coalesce(c.client_id, l.client_id)::text, 'nobody') AS subject, format('credited %s, ledger %s', coalesce(c.amount, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT g.client_id, sum(g.amount_minor
                 - (SELECT coalesce(sum(u.amount_minor), 0) FROM client_credit_use u WHERE u.credit_id = g.id)
                 - (SELECT coalesce(sum(r.amount_minor), 0) FROM client_refund r WHERE r.credit_id = g.id AND r.state = 'paid')) AS amount
      FROM client_credit g GROUP BY g.client_id) c
FULL JOIN (SELECT client_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'client_credit' GROUP BY client_id) l ON l.client_id = c.client_id
WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0);
GRANT SELECT ON invariant_i40_credits_are_kept TO umbel_app;

-- What is kept for clients is owed to them.
CREATE OR REPLACE FUNCTION solvency_components(p_entity uuid, p_currency text, p_through bigint, p_day date)
RETURNS TABLE (side text, component text, amount_minor bigint, accounts bigint) LANGUAGE sql STABLE AS $$
    WITH funds AS (SELECT * FROM solvency_activities(p_entity, p_currency, p_through, p_day)),
    sums AS (SELECT p.account, sum(p.amount_minor)::bigint AS amount,
                    count(DISTINCT coalesce(p.bank_account_id, p.payout_id, p.bank_line_id, p.invoice_id, p.activity_id, p.member_id)) AS n
             FROM posting p JOIN journal_entry e ON e.id = p.entry_id
             WHERE p.account IN ('bank', 'vat_output', 'vat_input', 'vat_refund_due', 'payouts_in_transit', 'supplier_payable',
                                 'redemption_payable', 'bank_suspense', 'activity_arrears', 'guarantee_fund',
                                 'social_security_payable', 'withholding_payable', 'client_credit')
               AND e.entity_id = p_entity AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
             GROUP BY p.account)
    SELECT 'owed', 'available', coalesce(sum(available_minor), 0)::bigint, count(*) FILTER (WHERE available_minor > 0) FROM funds
    UNION ALL SELECT 'owed', 'reserved', coalesce(sum(reserved_minor), 0)::bigint, count(*) FILTER (WHERE reserved_minor > 0) FROM funds
    UNION ALL SELECT 'owed', 'advances_owed', coalesce(sum(advances_minor), 0)::bigint, count(*) FILTER (WHERE advances_minor > 0) FROM funds
    UNION ALL
    SELECT 'owed', c.component, coalesce(-s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('payouts_in_transit'), ('vat_output'), ('supplier_payable'), ('redemption_payable'), ('bank_suspense')) c (component)
    LEFT JOIN sums s ON s.account = c.component
    UNION ALL
    -- Of wages: named once there is one.
    SELECT 'owed', s.account, -s.amount, greatest(s.n, 1) FROM sums s WHERE s.account IN ('social_security_payable', 'withholding_payable')
    UNION ALL
    SELECT 'held', c.component, coalesce(s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('bank'), ('vat_input'), ('vat_refund_due'), ('activity_arrears')) c (component)
    LEFT JOIN sums s ON s.account = c.component
    UNION ALL
    SELECT 'held', 'receivables', coalesce(sum(r.amount_minor), 0)::bigint, count(*)
    FROM solvency_receivables(p_entity, p_currency, p_through, p_day) r
    UNION ALL
    -- What clients paid beyond what was left to pay is owed back to them.
    SELECT 'owed', 'client_credits', coalesce(-sum(r.amount), 0)::bigint, count(*)
    FROM (SELECT p.invoice_id, sum(p.amount_minor) AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id
          WHERE p.account = 'receivable' AND e.entity_id = p_entity AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
          GROUP BY p.invoice_id HAVING sum(p.amount_minor) < 0
          UNION ALL SELECT NULL, s.amount FROM sums s WHERE s.account = 'client_credit' AND s.amount <> 0) r
    UNION ALL
    SELECT 'fund', 'guarantee_fund', coalesce(-s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('guarantee_fund')) c (component) LEFT JOIN sums s ON s.account = c.component
$$;

CREATE OR REPLACE VIEW invariant_i15_solvent WITH (security_invoker = true) AS
SELECT s.entity_id::text AS subject, format('owed %s, held %s', s.owed, s.held) AS detail
FROM (SELECT e.entity_id,
             -coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN
                 ('funds.available', 'funds.reserved', 'payouts_in_transit', 'vat_output', 'supplier_payable', 'redemption_payable',
                  'social_security_payable', 'withholding_payable', 'client_credit')), 0) AS owed,
             coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN
                 ('bank', 'receivable', 'activity_arrears', 'vat_input', 'vat_refund_due')), 0) AS held
      FROM posting p JOIN journal_entry e ON e.id = p.entry_id GROUP BY e.entity_id) s
WHERE s.owed > s.held;
