-- Before shares lapsed and were given back, and before years were closed.

DROP VIEW invariant_i22_appropriation_sums;
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
FULL JOIN (SELECT pool_id, sum(amount_minor) AS amount FROM posting WHERE account = 'pool_cost' GROUP BY pool_id) l ON l.pool_id = c.pool_id
WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0);
CREATE OR REPLACE VIEW invariant_i14_shares_are_capital WITH (security_invoker = true) AS
SELECT coalesce(s.member_id, l.member_id)::text AS subject,
       format('register %s, ledger %s', coalesce(s.amount, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT member_id, sum(quantity * nominal_minor) AS amount FROM share GROUP BY member_id) s
FULL JOIN (SELECT member_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'share_capital' GROUP BY member_id) l
       ON l.member_id = s.member_id
WHERE coalesce(s.amount, 0) <> coalesce(l.amount, 0);

DELETE FROM ledger_event WHERE event IN ('share_redeemed', 'redemption_paid', 'year_closed', 'surplus_appropriated');
DELETE FROM ledger_source WHERE kind IN ('redemption', 'fiscal_year', 'appropriation');

DROP TABLE appropriation_part, appropriation_step, appropriation, surplus_policy, legal_reserve_minimum;

CREATE OR REPLACE FUNCTION check_postings() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    bad record;
BEGIN
    SELECT entry_id, currency, sum(amount_minor) AS off INTO bad
    FROM added GROUP BY entry_id, currency HAVING sum(amount_minor) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % is off by % %', bad.entry_id, bad.off, bad.currency
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'entry_balances';
    END IF;
    IF EXISTS (SELECT FROM (SELECT entry_id, count(*) AS n FROM added GROUP BY entry_id) a
               WHERE a.n <> (SELECT count(*) FROM posting p WHERE p.entry_id = a.entry_id)) THEN
        RAISE EXCEPTION 'an entry takes its postings in one statement'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'entry_complete';
    END IF;
    SELECT a.account, l.dimension INTO bad FROM added a JOIN ledger_account l ON l.code = a.account
    WHERE l.dimension IS NOT NULL AND CASE l.dimension
        WHEN 'activity_id' THEN a.activity_id WHEN 'invoice_id' THEN a.invoice_id WHEN 'payout_id' THEN a.payout_id
        WHEN 'member_id' THEN a.member_id WHEN 'bank_line_id' THEN a.bank_line_id WHEN 'pool_id' THEN a.pool_id
        ELSE a.bank_account_id END IS NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account % needs %', bad.account, bad.dimension
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'posting_dimension';
    END IF;
    SELECT a.activity_id, a.currency INTO bad FROM added a JOIN activity_balance b ON b.activity_id = a.activity_id
    WHERE a.account IN ('funds.pending', 'funds.available', 'funds.reserved') AND a.currency <> b.currency LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'activity % does not hold %', bad.activity_id, bad.currency
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'posting_currency';
    END IF;
    PERFORM FROM activity_balance b
    WHERE b.activity_id IN (SELECT activity_id FROM added WHERE account IN ('funds.pending', 'funds.available', 'funds.reserved'))
    ORDER BY b.activity_id FOR NO KEY UPDATE;
    UPDATE activity_balance b
    SET pending_minor = b.pending_minor - d.pending, available_minor = b.available_minor - d.available,
        reserved_minor = b.reserved_minor - d.reserved
    FROM (SELECT activity_id,
                 coalesce(sum(amount_minor) FILTER (WHERE account = 'funds.pending'), 0) AS pending,
                 coalesce(sum(amount_minor) FILTER (WHERE account = 'funds.available'), 0) AS available,
                 coalesce(sum(amount_minor) FILTER (WHERE account = 'funds.reserved'), 0) AS reserved
          FROM added WHERE account IN ('funds.pending', 'funds.available', 'funds.reserved') GROUP BY activity_id) d
    WHERE b.activity_id = d.activity_id;
    RETURN NULL;
END $$;

DROP FUNCTION first_open_day;
DROP TRIGGER check_fiscal_year ON journal_entry;
DROP FUNCTION check_fiscal_year;
DROP TABLE fiscal_year;

DO $$
DECLARE
    kinds text := (SELECT pg_get_constraintdef(oid) FROM pg_constraint
                   WHERE conrelid = 'bank_line'::regclass AND conname = 'bank_line_matched_kind_check');
BEGIN
    ALTER TABLE bank_line DROP CONSTRAINT bank_line_matched_kind_check;
    EXECUTE 'ALTER TABLE bank_line ADD CONSTRAINT bank_line_matched_kind_check ' || replace(kinds, '''redemption''::text, ', '');
END $$;

DROP FUNCTION redeemed_at, redemption_queue, share_net_assets;
DROP TABLE redemption, redemption_run, redemption_policy;
DROP INDEX archived_file_certificate_once;
DROP INDEX share_register;
ALTER TABLE share DROP CONSTRAINT share_check;
ALTER TABLE share ADD CONSTRAINT share_check CHECK ((state = 'paid') = (paid_on IS NOT NULL));

DELETE FROM state_transition WHERE machine IN ('redemption', 'appropriation')
    OR (machine, from_state, to_state) IN (('member', 'active', 'inactive'), ('member', 'inactive', 'active'),
        ('member', 'inactive', 'suspended'), ('share', 'paid', 'redeeming'), ('share', 'redeeming', 'redeemed'));
