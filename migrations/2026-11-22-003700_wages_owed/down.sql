CREATE OR REPLACE VIEW invariant_i15_solvent WITH (security_invoker = true) AS
SELECT s.entity_id::text AS subject, format('owed %s, held %s', s.owed, s.held) AS detail
FROM (SELECT e.entity_id,
             -coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN
                 ('funds.available', 'funds.reserved', 'payouts_in_transit', 'vat_output', 'supplier_payable', 'redemption_payable')), 0) AS owed,
             coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN
                 ('bank', 'receivable', 'activity_arrears', 'vat_input', 'vat_refund_due')), 0) AS held
      FROM posting p JOIN journal_entry e ON e.id = p.entry_id GROUP BY e.entity_id) s
WHERE s.owed > s.held;
CREATE OR REPLACE FUNCTION solvency_components(p_entity uuid, p_currency text, p_through bigint, p_day date)
RETURNS TABLE (side text, component text, amount_minor bigint, accounts bigint) LANGUAGE sql STABLE AS $$
    WITH funds AS (SELECT * FROM solvency_activities(p_entity, p_currency, p_through, p_day)),
    sums AS (SELECT p.account, sum(p.amount_minor)::bigint AS amount,
                    count(DISTINCT coalesce(p.bank_account_id, p.payout_id, p.bank_line_id, p.invoice_id, p.activity_id, p.member_id)) AS n
             FROM posting p JOIN journal_entry e ON e.id = p.entry_id
             WHERE p.account IN ('bank', 'vat_output', 'vat_input', 'vat_refund_due', 'payouts_in_transit', 'supplier_payable',
                                 'redemption_payable', 'bank_suspense', 'activity_arrears', 'guarantee_fund')
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
