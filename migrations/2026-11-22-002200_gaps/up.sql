-- What a short fund owes to members, papers that decisions rest on, and what suppliers take back.

-- The part of a contribution that a credit note gives back and that the fund did not hold. The activity bore it, and
-- gets it when the fund has received money again. How much of it is returned is moved by the rows that say so.
CREATE TABLE contribution_owed (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    credit_note_id uuid NOT NULL CONSTRAINT contribution_owed_once UNIQUE REFERENCES invoice,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL REFERENCES activity,
    client_id uuid NOT NULL REFERENCES client,
    currency char(3) NOT NULL REFERENCES currency,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    returned_minor bigint NOT NULL DEFAULT 0 CHECK (returned_minor >= 0),
    owed_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT contribution_owed_fits CHECK (returned_minor <= amount_minor)
);
CREATE INDEX contribution_owed_open ON contribution_owed (entity_id, owed_on, id) WHERE returned_minor < amount_minor;
CREATE INDEX contribution_owed_entity ON contribution_owed (entity_id);
CREATE INDEX contribution_owed_invoice ON contribution_owed (invoice_id);
CREATE INDEX contribution_owed_member ON contribution_owed (member_id, id);
CREATE INDEX contribution_owed_activity ON contribution_owed (activity_id);
CREATE INDEX contribution_owed_client ON contribution_owed (client_id);

CREATE FUNCTION guard_contribution_owed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(OLD) - 'returned_minor' IS DISTINCT FROM to_jsonb(NEW) - 'returned_minor' OR NEW.returned_minor < OLD.returned_minor THEN
        RAISE EXCEPTION 'what the fund owes is only ever returned' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'append_only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_returned BEFORE UPDATE ON contribution_owed FOR EACH ROW EXECUTE FUNCTION guard_contribution_owed();
CREATE TRIGGER no_delete BEFORE DELETE ON contribution_owed FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE contribution_return (
    id uuid PRIMARY KEY,
    owed_id uuid NOT NULL REFERENCES contribution_owed,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    currency char(3) NOT NULL REFERENCES currency,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    returned_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX contribution_return_owed ON contribution_return (owed_id);
CREATE INDEX contribution_return_entity ON contribution_return (entity_id);
CREATE INDEX contribution_return_member ON contribution_return (member_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON contribution_return FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION count_contribution_return() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    UPDATE contribution_owed SET returned_minor = returned_minor + NEW.amount_minor
    WHERE id = NEW.owed_id AND (entity_id, member_id, currency) = (NEW.entity_id, NEW.member_id, NEW.currency);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a return pays what is owed to its member' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'contribution_owed_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER count_return BEFORE INSERT ON contribution_return FOR EACH ROW EXECUTE FUNCTION count_contribution_return();

-- What the fund owes in all: everybody may read this sum, nobody the rows below it.
CREATE FUNCTION contributions_owed(p_entity uuid) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT coalesce(sum(amount_minor - returned_minor), 0)::bigint FROM contribution_owed WHERE entity_id = p_entity AND returned_minor < amount_minor $$;
GRANT EXECUTE ON FUNCTION contributions_owed TO umbel_app;

ALTER TABLE contribution_owed ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON contribution_owed USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE contribution_return ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON contribution_return USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
GRANT SELECT, INSERT ON contribution_owed, contribution_return TO umbel_app;

INSERT INTO ledger_source (kind, source_table) VALUES ('contribution_return', 'contribution_return');
INSERT INTO ledger_event (event, source_kind) VALUES ('contribution_returned', 'contribution_return');

CREATE OR REPLACE FUNCTION guarantee_fund_figures(p_entity uuid, p_since date)
RETURNS TABLE (fund_minor bigint, contributed_minor bigint, drawn_minor bigint, returned_minor bigint, recovered_minor bigint,
               advances_minor bigint, advance_count bigint, claims_minor bigint, claim_count bigint,
               covered_count bigint, not_covered_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT f.fund_minor, f.contributed_minor, f.drawn_minor, f.returned_minor, f.recovered_minor, a.amount, a.n, c.amount, c.n, d.covered, d.not_covered
    FROM (SELECT coalesce(-sum(p.amount_minor), 0)::bigint AS fund_minor,
                 coalesce(-sum(p.amount_minor) FILTER (WHERE e.source_kind IN ('invoice', 'credit_note', 'contribution_return') AND e.booked_on >= p_since), 0)::bigint AS contributed_minor,
                 coalesce(sum(p.amount_minor) FILTER (WHERE e.event = 'guarantee_drawn' AND e.booked_on >= p_since), 0)::bigint AS drawn_minor,
                 coalesce(sum(p.amount_minor) FILTER (WHERE e.event = 'written_off' AND e.booked_on >= p_since), 0)::bigint AS returned_minor,
                 coalesce(-sum(p.amount_minor) FILTER (WHERE e.event = 'recovered' AND e.booked_on >= p_since), 0)::bigint AS recovered_minor
          FROM posting p JOIN journal_entry e ON e.id = p.entry_id WHERE p.account = 'guarantee_fund' AND e.entity_id = p_entity) f,
         (SELECT coalesce(sum(m.amount), 0)::bigint AS amount, count(*) AS n
          FROM (SELECT sum(p.amount_minor) AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id
                WHERE p.account = 'memo.advances' AND e.entity_id = p_entity GROUP BY p.invoice_id HAVING sum(p.amount_minor) <> 0) m) a,
         (SELECT coalesce(sum(amount_minor - drawn_minor - recovered_minor), 0)::bigint AS amount, count(*) AS n
          FROM guarantee_claim WHERE entity_id = p_entity AND drawn_minor + recovered_minor < amount_minor) c,
         (SELECT count(*) FILTER (WHERE g.eligible) AS covered, count(*) FILTER (WHERE NOT g.eligible) AS not_covered
          FROM guarantee_decision g JOIN orders o ON o.id = g.order_id WHERE o.entity_id = p_entity) d
$$;

-- A contribution that a credit note gives back is returned by the fund or owed by it.
CREATE OR REPLACE VIEW invariant_i17_levies_are_postings WITH (security_invoker = true) AS
WITH charged AS (
    SELECT CASE WHEN source_kind IN ('invoice', 'credit_note') THEN source_id ELSE id END AS fact, kind, sum(amount_minor) AS amount
    FROM levy_charge GROUP BY 1, 2
), booked AS (
    SELECT fact, kind, sum(amount) AS amount FROM (
        SELECT e.source_id AS fact, CASE p.account WHEN 'fee_income' THEN 'fee' ELSE 'guarantee' END AS kind, -p.amount_minor AS amount
        FROM journal_entry e JOIN posting p ON p.entry_id = e.id
        WHERE e.event IN ('invoice_issued', 'credit_note_issued', 'levy_charged') AND p.account IN ('fee_income', 'guarantee_fund')
        UNION ALL SELECT credit_note_id, 'guarantee', -amount_minor FROM contribution_owed) x
    GROUP BY 1, 2
)
SELECT fact::text AS subject, format('%s: charged %s, ledger %s', kind, coalesce(c.amount, 0), coalesce(b.amount, 0)) AS detail
FROM charged c FULL JOIN booked b USING (fact, kind)
WHERE coalesce(c.amount, 0) <> coalesce(b.amount, 0);

CREATE VIEW invariant_i25_contributions_owed WITH (security_invoker = true) AS
SELECT o.id::text AS subject, format('owed %s: returned %s, returns %s', o.amount_minor, o.returned_minor, r.amount) AS detail
FROM contribution_owed o
CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0)::bigint AS amount FROM contribution_return WHERE owed_id = o.id) r
WHERE o.returned_minor <> r.amount OR o.returned_minor > o.amount_minor
UNION ALL
SELECT coalesce(r.id, l.source_id)::text, format('returned %s, ledger %s to the activity, %s from the fund', coalesce(r.amount_minor, 0), coalesce(l.given, 0), coalesce(l.taken, 0))
FROM contribution_return r
FULL JOIN (SELECT e.source_id, -sum(p.amount_minor) FILTER (WHERE p.account = 'funds.available') AS given,
                  sum(p.amount_minor) FILTER (WHERE p.account = 'guarantee_fund') AS taken
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id WHERE e.event = 'contribution_returned' GROUP BY e.source_id) l ON l.source_id = r.id
WHERE (coalesce(r.amount_minor, 0), coalesce(r.amount_minor, 0)) IS DISTINCT FROM (coalesce(l.given, 0)::bigint, coalesce(l.taken, 0)::bigint);
GRANT SELECT ON invariant_i25_contributions_owed TO umbel_app;

-- Papers that decisions rest on. The office reads them; a member reads that of an exemption of their own.
ALTER TABLE appropriation ADD COLUMN evidence_id uuid REFERENCES archived_file;
CREATE INDEX appropriation_evidence ON appropriation (evidence_id);
ALTER TABLE surplus_policy ADD COLUMN evidence_id uuid REFERENCES archived_file;
CREATE INDEX surplus_policy_evidence ON surplus_policy (evidence_id);

CREATE FUNCTION check_evidence() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM archived_file WHERE id = NEW.evidence_id AND kind = 'evidence') THEN
        RAISE EXCEPTION 'file % is no evidence', NEW.evidence_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'evidence_is_evidence';
    END IF;
    RETURN NEW;
END $$;
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['rule_set', 'levy_exemption', 'appropriation', 'surplus_policy'] LOOP
        EXECUTE format('CREATE TRIGGER check_evidence BEFORE INSERT ON %I FOR EACH ROW WHEN (NEW.evidence_id IS NOT NULL) EXECUTE FUNCTION check_evidence()', t);
    END LOOP;
END $$;
CREATE POLICY evidence ON archived_file FOR SELECT
    USING (kind = 'evidence' AND EXISTS (SELECT FROM levy_exemption e WHERE e.evidence_id = archived_file.id AND umbel_owns(e.member_id)));

-- What a supplier takes back of a cost: no more than is left of it, without VAT, in VAT and in the VAT that the state
-- gave back.
ALTER TABLE cost
    ADD COLUMN credited_net_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN credited_vat_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN credited_recoverable_minor bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT cost_credit_fits CHECK (
        credited_net_minor BETWEEN 0 AND net_minor AND credited_vat_minor BETWEEN 0 AND vat_minor
        AND credited_recoverable_minor BETWEEN 0 AND recoverable_vat_minor AND credited_recoverable_minor <= credited_vat_minor
        AND recoverable_vat_minor - credited_recoverable_minor <= vat_minor - credited_vat_minor
        AND (credited_net_minor < net_minor OR credited_vat_minor = vat_minor));

CREATE TABLE cost_credit (
    id uuid PRIMARY KEY,
    cost_id uuid NOT NULL REFERENCES cost,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid REFERENCES member,
    pool_id uuid REFERENCES pool,
    reference text NOT NULL CHECK (length(reference) BETWEEN 1 AND 140),
    dated_on date NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    net_minor bigint NOT NULL CHECK (net_minor > 0),
    vat_minor bigint NOT NULL CHECK (vat_minor >= 0),
    recoverable_vat_minor bigint NOT NULL CHECK (recoverable_vat_minor BETWEEN 0 AND vat_minor),
    gross_minor bigint NOT NULL CHECK (gross_minor = net_minor + vat_minor),
    charged_minor bigint NOT NULL CHECK (charged_minor = gross_minor - recoverable_vat_minor),
    currency char(3) NOT NULL REFERENCES currency,
    document_id uuid REFERENCES archived_file,
    -- The cost was paid before: the supplier owes the money, and a line of the bank brings it.
    is_refund boolean NOT NULL,
    bank_line_id uuid CONSTRAINT cost_credit_bank_line_once UNIQUE REFERENCES bank_line,
    refunded_on date,
    booked_by uuid NOT NULL REFERENCES person,
    booked_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT cost_credit_booker_is_not_paid CHECK (booked_by <> member_id),
    CHECK ((bank_line_id IS NULL) = (refunded_on IS NULL) AND (refunded_on IS NULL OR is_refund))
);
CREATE UNIQUE INDEX cost_credit_once ON cost_credit (cost_id, lower(reference));
CREATE INDEX cost_credit_cost ON cost_credit (cost_id, id);
CREATE INDEX cost_credit_entity ON cost_credit (entity_id);
CREATE INDEX cost_credit_member ON cost_credit (member_id);
CREATE INDEX cost_credit_pool ON cost_credit (pool_id);
CREATE INDEX cost_credit_document ON cost_credit (document_id);
CREATE INDEX cost_credit_booked_by ON cost_credit (booked_by);
CREATE TRIGGER ends_once BEFORE UPDATE ON cost_credit FOR EACH ROW
    EXECUTE FUNCTION guard_ending('refunded_on', 'refunded_on,bank_line_id');
CREATE TRIGGER no_delete BEFORE DELETE ON cost_credit FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION count_cost_credit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    credited cost%ROWTYPE;
BEGIN
    UPDATE cost SET credited_net_minor = credited_net_minor + NEW.net_minor, credited_vat_minor = credited_vat_minor + NEW.vat_minor,
                    credited_recoverable_minor = credited_recoverable_minor + NEW.recoverable_vat_minor
    WHERE id = NEW.cost_id AND state = 'approved' RETURNING * INTO credited;
    IF (credited.entity_id, credited.member_id, credited.pool_id, credited.currency, credited.paid_on IS NOT NULL)
       IS DISTINCT FROM (NEW.entity_id, NEW.member_id, NEW.pool_id, NEW.currency, NEW.is_refund) THEN
        RAISE EXCEPTION 'credit % does not fit its cost', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cost_credit_fits';
    END IF;
    -- A closed pool has given back what it had: there is nobody left to whom a credit could go.
    IF NEW.pool_id IS NOT NULL AND NOT EXISTS (SELECT FROM pool WHERE id = NEW.pool_id AND state IN ('open', 'closing') FOR SHARE) THEN
        RAISE EXCEPTION 'pool % is closed', NEW.pool_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cost_pool_is_open';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER count_credit BEFORE INSERT ON cost_credit FOR EACH ROW EXECUTE FUNCTION count_cost_credit();

ALTER TABLE cost_credit ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON cost_credit USING (umbel_owns(member_id) OR (pool_id IS NOT NULL AND umbel_in_pool(pool_id))) WITH CHECK (umbel_sees_all());
GRANT SELECT, INSERT, UPDATE (bank_line_id, refunded_on) ON cost_credit TO umbel_app;

INSERT INTO ledger_source (kind, source_table) VALUES ('cost_credit', 'cost_credit');
INSERT INTO ledger_event (event, source_kind) VALUES ('supplier_credited', 'cost_credit'), ('supplier_refunded', 'cost_credit');

-- What was credited is divided no more.
CREATE OR REPLACE FUNCTION check_pool_run_cost() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    divided cost%ROWTYPE;
    by_run pool_run%ROWTYPE;
BEGIN
    SELECT * INTO divided FROM cost WHERE id = NEW.cost_id FOR NO KEY UPDATE;
    SELECT * INTO by_run FROM pool_run WHERE id = NEW.run_id;
    IF divided.state <> 'approved' OR divided.pool_id IS DISTINCT FROM by_run.pool_id OR by_run.state <> 'booked'
       OR NEW.amount_minor + (SELECT coalesce(sum(c.amount_minor), 0) FROM pool_run_cost c JOIN pool_run r ON r.id = c.run_id
                              WHERE c.cost_id = NEW.cost_id AND r.state = 'booked')
          > divided.charged_minor - divided.credited_net_minor - divided.credited_vat_minor + divided.credited_recoverable_minor
       OR NEW.amount_minor + (SELECT coalesce(sum(c.amount_minor), 0) FROM pool_run_cost c WHERE c.run_id = NEW.run_id) > by_run.amount_minor THEN
        RAISE EXCEPTION 'cost % is divided more than once', NEW.cost_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cost_divided_once';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE VIEW invariant_i07_runs_are_pool_cost WITH (security_invoker = true) AS
SELECT r.id::text AS subject, format('run %s, parts %s, entry %s', r.amount_minor, coalesce(p.amount, 0), coalesce(l.amount, 0)) AS detail
FROM pool_run r
LEFT JOIN (SELECT run_id, sum(amount_minor) AS amount FROM pool_run_part GROUP BY run_id) p ON p.run_id = r.id
LEFT JOIN (SELECT e.source_id, -sum(o.amount_minor) AS amount FROM journal_entry e JOIN posting o ON o.entry_id = e.id
           WHERE e.event = 'pool_allocated' AND o.account = 'pool_recovery' GROUP BY e.source_id) l ON l.source_id = r.id
WHERE r.amount_minor IS DISTINCT FROM coalesce(p.amount, 0)::bigint OR r.amount_minor IS DISTINCT FROM coalesce(l.amount, 0)::bigint
UNION ALL
SELECT s.run_id::text, format('split %s: %s by weight %s, parts %s by weight %s', s.n, s.amount_minor, s.weight_sum, p.amount, p.weight)
FROM pool_run_split s
LEFT JOIN (SELECT run_id, n, sum(amount_minor) AS amount, sum(weight) AS weight FROM pool_run_part GROUP BY run_id, n) p
       ON p.run_id = s.run_id AND p.n = s.n
WHERE (s.amount_minor, s.weight_sum) IS DISTINCT FROM (p.amount::bigint, p.weight::bigint)
UNION ALL
SELECT r.id::text, format('reversed run, of which the books keep %s', coalesce(sum(o.amount_minor), 0))
FROM pool_run r LEFT JOIN journal_entry e ON e.source_kind = 'pool_run' AND e.source_id = r.id
LEFT JOIN posting o ON o.entry_id = e.id AND o.account = 'pool_recovery'
GROUP BY r.id, r.state, r.amount_minor
HAVING -coalesce(sum(o.amount_minor), 0) <> CASE r.state WHEN 'booked' THEN r.amount_minor ELSE 0 END
UNION ALL
SELECT c.id::text, format('cost %s, divided %s', c.charged_minor, d.amount)
FROM cost c JOIN (SELECT x.cost_id, sum(x.amount_minor) AS amount FROM pool_run_cost x JOIN pool_run r ON r.id = x.run_id AND r.state = 'booked'
                  GROUP BY x.cost_id) d ON d.cost_id = c.id
WHERE d.amount > c.charged_minor OR c.state <> 'approved'
UNION ALL
SELECT r.id::text, format('run %s, of costs %s', r.amount_minor, coalesce(x.amount, 0))
FROM pool_run r LEFT JOIN (SELECT run_id, sum(amount_minor) AS amount FROM pool_run_cost GROUP BY run_id) x ON x.run_id = r.id
WHERE (r.kind = 'costs' AND r.amount_minor IS DISTINCT FROM x.amount::bigint)
   OR (r.kind = 'instalment' AND coalesce(x.amount, 0) > r.amount_minor)
UNION ALL
SELECT coalesce(c.pool_id, l.pool_id)::text, format('costs of the pool %s, ledger %s', coalesce(c.amount, 0), coalesce(l.amount, 0))
FROM (SELECT pool_id, sum(charged_minor - credited_net_minor - credited_vat_minor + credited_recoverable_minor) AS amount FROM cost WHERE state = 'approved' AND pool_id IS NOT NULL GROUP BY pool_id) c
FULL JOIN (SELECT pool_id, sum(amount_minor) AS amount FROM posting WHERE account = 'pool_cost' AND pool_id IS NOT NULL GROUP BY pool_id) l ON l.pool_id = c.pool_id
WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0);

CREATE OR REPLACE VIEW invariant_i23_suppliers_are_costs WITH (security_invoker = true) AS
SELECT c.id::text AS subject, format('owed to the supplier %s, ledger %s', c.owed, coalesce(l.amount, 0)) AS detail
FROM (SELECT id, CASE WHEN state <> 'approved' THEN 0
                      WHEN paid_on IS NULL THEN gross_minor - credited_net_minor - credited_vat_minor
                      ELSE -coalesce((SELECT sum(x.gross_minor) FROM cost_credit x WHERE x.cost_id = cost.id AND x.is_refund AND x.refunded_on IS NULL), 0)
                 END AS owed FROM cost) c
LEFT JOIN (SELECT coalesce(x.cost_id, e.source_id) AS cost_id, -sum(p.amount_minor) AS amount
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id LEFT JOIN cost_credit x ON e.source_kind = 'cost_credit' AND x.id = e.source_id
           WHERE p.account = 'supplier_payable' GROUP BY 1) l ON l.cost_id = c.id
WHERE c.owed <> coalesce(l.amount, 0)
UNION ALL
SELECT c.id::text, format('credited %s, credits %s', c.credited_net_minor + c.credited_vat_minor, coalesce(x.gross, 0))
FROM cost c LEFT JOIN (SELECT cost_id, sum(gross_minor) AS gross, sum(recoverable_vat_minor) AS recoverable FROM cost_credit GROUP BY cost_id) x ON x.cost_id = c.id
WHERE (c.credited_net_minor + c.credited_vat_minor, c.credited_recoverable_minor) IS DISTINCT FROM (coalesce(x.gross, 0)::bigint, coalesce(x.recoverable, 0)::bigint);
