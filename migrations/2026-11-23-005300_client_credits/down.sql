CREATE OR REPLACE FUNCTION solvency_components(p_entity uuid, p_currency text, p_through bigint, p_day date)
RETURNS TABLE (side text, component text, amount_minor bigint, accounts bigint) LANGUAGE sql STABLE AS $$
    WITH funds AS (SELECT * FROM solvency_activities(p_entity, p_currency, p_through, p_day)),
    sums AS (SELECT p.account, sum(p.amount_minor)::bigint AS amount,
                    count(DISTINCT coalesce(p.bank_account_id, p.payout_id, p.bank_line_id, p.invoice_id, p.activity_id, p.member_id)) AS n
             FROM posting p JOIN journal_entry e ON e.id = p.entry_id
             WHERE p.account IN ('bank', 'vat_output', 'vat_input', 'vat_refund_due', 'payouts_in_transit', 'supplier_payable',
                                 'redemption_payable', 'bank_suspense', 'activity_arrears', 'guarantee_fund',
                                 'social_security_payable', 'withholding_payable')
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
          GROUP BY p.invoice_id HAVING sum(p.amount_minor) < 0) r
    UNION ALL
    SELECT 'fund', 'guarantee_fund', coalesce(-s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('guarantee_fund')) c (component) LEFT JOIN sums s ON s.account = c.component
$$;

CREATE OR REPLACE VIEW invariant_i15_solvent WITH (security_invoker = true) AS
SELECT s.entity_id::text AS subject, format('owed %s, held %s', s.owed, s.held) AS detail
FROM (SELECT e.entity_id,
             -coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN
                 ('funds.available', 'funds.reserved', 'payouts_in_transit', 'vat_output', 'supplier_payable', 'redemption_payable',
                  'social_security_payable', 'withholding_payable')), 0) AS owed,
             coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN
                 ('bank', 'receivable', 'activity_arrears', 'vat_input', 'vat_refund_due')), 0) AS held
      FROM posting p JOIN journal_entry e ON e.id = p.entry_id GROUP BY e.entity_id) s
WHERE s.owed > s.held;

DROP VIEW invariant_i40_credits_are_kept;
CREATE OR REPLACE VIEW invariant_i16_suspense_has_owner WITH (security_invoker = true) AS
SELECT coalesce(b.id, l.bank_line_id)::text AS subject,
       format('unmatched line %s, ledger %s', coalesce(b.rest, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT x.id, CASE WHEN x.state = 'suspense' THEN x.amount_minor::numeric
                        WHEN x.matched_kind IN ('invoice', 'recovery') THEN x.amount_minor::numeric
                            - (SELECT coalesce(sum(a.amount_minor), 0) FROM allocation a WHERE a.bank_line_id = x.id)
                            - (SELECT coalesce(sum(r.amount_minor), 0) FROM recovery r WHERE r.bank_line_id = x.id)
                            - (SELECT coalesce(sum(d.amount_minor), 0) FROM exchange_difference d WHERE d.bank_line_id = x.id)
                        ELSE 0::numeric END AS rest
      FROM bank_line x) b
FULL JOIN (SELECT bank_line_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'bank_suspense' GROUP BY bank_line_id
           HAVING sum(amount_minor) <> 0) l ON l.bank_line_id = b.id
WHERE coalesce(b.rest, 0) <> coalesce(l.amount, 0);

DELETE FROM ledger_event WHERE event IN ('client_credited', 'client_credit_used', 'client_refunded', 'bank_charged');
DELETE FROM ledger_source WHERE kind IN ('client_credit', 'client_credit_use', 'client_refund');
DROP TRIGGER check_line_parts ON allocation;
DROP TRIGGER check_line_parts ON recovery;
DROP TRIGGER check_line_parts ON exchange_difference;
DROP VIEW bank_line_part;
DROP TABLE client_refund, client_credit_use, client_credit;
DROP FUNCTION check_credit_left(), check_line_parts(), guard_client_refund();
DELETE FROM state_transition WHERE machine = 'client_refund';
DELETE FROM ledger_account WHERE code IN ('client_credit', 'bank_charges');
