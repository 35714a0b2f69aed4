-- Before shares lapsed and were given back, and before years were closed.

DROP VIEW invariant_i22_appropriation_sums;
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
