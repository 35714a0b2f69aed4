-- The ledger as it was before pooled money.

CREATE OR REPLACE VIEW invariant_i11_documents_agree_with_entries WITH (security_invoker = true) AS
SELECT i.id::text AS subject, format('invoice %s: totals %s/%s/%s, ledger %s/%s/%s', i.number, i.gross_minor, i.net_minor, i.tax_minor,
       coalesce(l.receivable, 0), coalesce(l.turnover, 0), coalesce(l.vat, 0)) AS detail
FROM invoice i
LEFT JOIN (SELECT e.source_id,
                  sum(p.amount_minor) FILTER (WHERE p.account = 'receivable') AS receivable,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'turnover'), 0) AS turnover,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'vat_output'), 0) AS vat
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id WHERE e.event = 'invoice_issued' GROUP BY e.source_id) l
       ON l.source_id = i.id
WHERE i.state = 'issued' AND (i.gross_minor, i.net_minor, i.tax_minor)
      IS DISTINCT FROM (coalesce(l.receivable, 0)::bigint, coalesce(l.turnover, 0)::bigint, coalesce(l.vat, 0)::bigint)
UNION ALL
SELECT e.id::text, format('%s has no %s %s', e.event, e.source_kind, e.source_id)
FROM journal_entry e
WHERE NOT CASE e.source_kind
    WHEN 'invoice' THEN EXISTS (SELECT FROM invoice x WHERE x.id = e.source_id AND x.state = 'issued')
    WHEN 'share' THEN EXISTS (SELECT FROM share x WHERE x.id = e.source_id)
    WHEN 'advance' THEN EXISTS (SELECT FROM guarantee_advance x WHERE x.id = e.source_id)
    WHEN 'payout' THEN EXISTS (SELECT FROM payout x WHERE x.id = e.source_id)
    WHEN 'statement' THEN EXISTS (SELECT FROM bank_statement x WHERE x.id = e.source_id)
    WHEN 'bank_line' THEN EXISTS (SELECT FROM bank_line x WHERE x.id = e.source_id)
    WHEN 'allocation' THEN EXISTS (SELECT FROM allocation x WHERE x.id = e.source_id)
    ELSE false END;

DROP FUNCTION ledger_fact_exists;

CREATE OR REPLACE VIEW invoice_open WITH (security_invoker = true) AS
SELECT i.id AS invoice_id, i.entity_id, i.member_id, i.gross_minor,
       i.gross_minor - coalesce((SELECT sum(a.amount_minor) FROM allocation a WHERE a.invoice_id = i.id), 0)::bigint AS open_minor
FROM invoice i WHERE i.state = 'issued';

DROP TABLE invoice_reduction;

DROP POLICY own ON journal_entry;
CREATE POLICY own ON journal_entry USING (umbel_owns(owner_id)) WITH CHECK (true);
DROP FUNCTION lock_activity_balances;

CREATE OR REPLACE FUNCTION period_sha256(p_entity uuid, p_period text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(coalesce(string_agg(row_text, E'\n' ORDER BY entry_id, posting_id), '')::bytea)
    FROM (SELECT e.id AS entry_id, p.id AS posting_id,
                 concat_ws('|', e.id, e.booked_on, e.event, e.source_kind, e.source_id, coalesce(e.reverses_id::text, '-'),
                           p.id, p.account, p.amount_minor, p.currency, coalesce(p.activity_id::text, '-'),
                           coalesce(p.client_id::text, '-'), coalesce(p.invoice_id::text, '-'), coalesce(p.payout_id::text, '-'),
                           coalesce(p.member_id::text, '-'), coalesce(p.bank_line_id::text, '-'),
                           coalesce(p.bank_account_id::text, '-'), coalesce(p.tax_code, '-')) AS row_text
          FROM journal_entry e JOIN posting p ON p.entry_id = e.id
          WHERE e.entity_id = p_entity AND e.period = p_period) rows
$$;

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
    IF EXISTS (SELECT FROM added a JOIN posting p ON p.entry_id = a.entry_id
               GROUP BY a.entry_id HAVING count(DISTINCT p.id) <> count(DISTINCT a.id)) THEN
        RAISE EXCEPTION 'an entry takes its postings in one statement'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'entry_complete';
    END IF;
    SELECT a.account, l.dimension INTO bad FROM added a JOIN ledger_account l ON l.code = a.account
    WHERE l.dimension IS NOT NULL AND CASE l.dimension
        WHEN 'activity_id' THEN a.activity_id WHEN 'invoice_id' THEN a.invoice_id WHEN 'payout_id' THEN a.payout_id
        WHEN 'member_id' THEN a.member_id WHEN 'bank_line_id' THEN a.bank_line_id ELSE a.bank_account_id END IS NULL
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

ALTER TABLE posting DROP COLUMN pool_id;

DELETE FROM ledger_account WHERE code IN ('activity_arrears', 'vat_input', 'vat_refund_due', 'supplier_payable',
    'redemption_payable', 'legal_reserve', 'indivisible_reserve', 'retained_surplus', 'operating_cost', 'bad_debt',
    'pool_recovery', 'pool_cost');
ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_dimension_check;
ALTER TABLE ledger_account ADD CONSTRAINT ledger_account_dimension_check CHECK (dimension IN
    ('activity_id', 'invoice_id', 'payout_id', 'member_id', 'bank_line_id', 'bank_account_id'));
