-- A short fund refuses, papers have no way in, and what suppliers take back has no record.

CREATE OR REPLACE VIEW invariant_i23_suppliers_are_costs WITH (security_invoker = true) AS
SELECT c.id::text AS subject, format('owed to the supplier %s, ledger %s', c.owed, coalesce(l.amount, 0)) AS detail
FROM (SELECT id, CASE WHEN state = 'approved' AND paid_on IS NULL THEN gross_minor ELSE 0 END AS owed FROM cost) c
LEFT JOIN (SELECT e.source_id, -sum(p.amount_minor) AS amount FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE p.account = 'supplier_payable' GROUP BY e.source_id) l ON l.source_id = c.id
WHERE c.owed <> coalesce(l.amount, 0);

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
FROM (SELECT pool_id, sum(charged_minor) AS amount FROM cost WHERE state = 'approved' AND pool_id IS NOT NULL GROUP BY pool_id) c
FULL JOIN (SELECT pool_id, sum(amount_minor) AS amount FROM posting WHERE account = 'pool_cost' AND pool_id IS NOT NULL GROUP BY pool_id) l ON l.pool_id = c.pool_id
WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0);

CREATE OR REPLACE FUNCTION check_pool_run_cost() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    divided cost%ROWTYPE;
    by_run pool_run%ROWTYPE;
BEGIN
    SELECT * INTO divided FROM cost WHERE id = NEW.cost_id FOR NO KEY UPDATE;
    SELECT * INTO by_run FROM pool_run WHERE id = NEW.run_id;
    IF divided.state <> 'approved' OR divided.pool_id IS DISTINCT FROM by_run.pool_id OR by_run.state <> 'booked'
       OR NEW.amount_minor + (SELECT coalesce(sum(c.amount_minor), 0) FROM pool_run_cost c JOIN pool_run r ON r.id = c.run_id
                              WHERE c.cost_id = NEW.cost_id AND r.state = 'booked') > divided.charged_minor
       OR NEW.amount_minor + (SELECT coalesce(sum(c.amount_minor), 0) FROM pool_run_cost c WHERE c.run_id = NEW.run_id) > by_run.amount_minor THEN
        RAISE EXCEPTION 'cost % is divided more than once', NEW.cost_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cost_divided_once';
    END IF;
    RETURN NEW;
END $$;

DELETE FROM ledger_event WHERE source_kind IN ('cost_credit', 'contribution_return');
DELETE FROM ledger_source WHERE kind IN ('cost_credit', 'contribution_return');
DROP TABLE cost_credit;
DROP FUNCTION count_cost_credit;
ALTER TABLE cost DROP CONSTRAINT cost_credit_fits, DROP COLUMN credited_net_minor, DROP COLUMN credited_vat_minor, DROP COLUMN credited_recoverable_minor;

DROP POLICY evidence ON archived_file;
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['rule_set', 'levy_exemption', 'appropriation', 'surplus_policy'] LOOP
        EXECUTE format('DROP TRIGGER check_evidence ON %I', t);
    END LOOP;
END $$;
DROP FUNCTION check_evidence;
ALTER TABLE surplus_policy DROP COLUMN evidence_id;
ALTER TABLE appropriation DROP COLUMN evidence_id;

DROP VIEW invariant_i25_contributions_owed;
CREATE OR REPLACE VIEW invariant_i17_levies_are_postings WITH (security_invoker = true) AS
WITH charged AS (
    SELECT CASE WHEN source_kind IN ('invoice', 'credit_note') THEN source_id ELSE id END AS fact, kind, sum(amount_minor) AS amount
    FROM levy_charge GROUP BY 1, 2
), booked AS (
    SELECT e.source_id AS fact, CASE p.account WHEN 'fee_income' THEN 'fee' ELSE 'guarantee' END AS kind, -sum(p.amount_minor) AS amount
    FROM journal_entry e JOIN posting p ON p.entry_id = e.id
    WHERE e.event IN ('invoice_issued', 'credit_note_issued', 'levy_charged') AND p.account IN ('fee_income', 'guarantee_fund')
    GROUP BY 1, 2
)
SELECT fact::text AS subject, format('%s: charged %s, ledger %s', kind, coalesce(c.amount, 0), coalesce(b.amount, 0)) AS detail
FROM charged c FULL JOIN booked b USING (fact, kind)
WHERE coalesce(c.amount, 0) <> coalesce(b.amount, 0);

CREATE OR REPLACE FUNCTION guarantee_fund_figures(p_entity uuid, p_since date)
RETURNS TABLE (fund_minor bigint, contributed_minor bigint, drawn_minor bigint, returned_minor bigint, recovered_minor bigint,
               advances_minor bigint, advance_count bigint, claims_minor bigint, claim_count bigint,
               covered_count bigint, not_covered_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT f.fund_minor, f.contributed_minor, f.drawn_minor, f.returned_minor, f.recovered_minor, a.amount, a.n, c.amount, c.n, d.covered, d.not_covered
    FROM (SELECT coalesce(-sum(p.amount_minor), 0)::bigint AS fund_minor,
                 coalesce(-sum(p.amount_minor) FILTER (WHERE e.source_kind IN ('invoice', 'credit_note') AND e.booked_on >= p_since), 0)::bigint AS contributed_minor,
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

DROP FUNCTION contributions_owed;
DROP TABLE contribution_return;
DROP FUNCTION count_contribution_return;
DROP TABLE contribution_owed;
DROP FUNCTION guard_contribution_owed;
