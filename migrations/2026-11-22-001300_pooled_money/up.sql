-- The accounts of pooled money, and what all its rooms stand on.

INSERT INTO ledger_account (code, kind, dimension) VALUES
    ('activity_arrears', 'asset', 'activity_id'),
    ('vat_input', 'asset', NULL),
    ('vat_refund_due', 'asset', 'invoice_id'),
    ('supplier_payable', 'liability', NULL),
    ('redemption_payable', 'liability', 'member_id'),
    ('legal_reserve', 'equity', NULL),
    ('indivisible_reserve', 'equity', NULL),
    ('retained_surplus', 'equity', NULL),
    ('operating_cost', 'expense', 'activity_id'),
    ('bad_debt', 'expense', 'invoice_id');

ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_dimension_check;
ALTER TABLE ledger_account ADD CONSTRAINT ledger_account_dimension_check CHECK (dimension IN
    ('activity_id', 'invoice_id', 'payout_id', 'member_id', 'bank_line_id', 'bank_account_id', 'pool_id'));
INSERT INTO ledger_account (code, kind, dimension) VALUES
    ('pool_recovery', 'income', 'pool_id'),
    ('pool_cost', 'expense', 'pool_id');

ALTER TABLE posting ADD COLUMN pool_id uuid;
CREATE INDEX posting_pool ON posting (pool_id, id) WHERE pool_id IS NOT NULL;

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

-- The pool joins the hash at its end and only where there is one: the hashes of periods closed before stay true.
CREATE OR REPLACE FUNCTION period_sha256(p_entity uuid, p_period text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(coalesce(string_agg(row_text, E'\n' ORDER BY entry_id, posting_id), '')::bytea)
    FROM (SELECT e.id AS entry_id, p.id AS posting_id,
                 concat_ws('|', e.id, e.booked_on, e.event, e.source_kind, e.source_id, coalesce(e.reverses_id::text, '-'),
                           p.id, p.account, p.amount_minor, p.currency, coalesce(p.activity_id::text, '-'),
                           coalesce(p.client_id::text, '-'), coalesce(p.invoice_id::text, '-'), coalesce(p.payout_id::text, '-'),
                           coalesce(p.member_id::text, '-'), coalesce(p.bank_line_id::text, '-'),
                           coalesce(p.bank_account_id::text, '-'), coalesce(p.tax_code, '-'), p.pool_id) AS row_text
          FROM journal_entry e JOIN posting p ON p.entry_id = e.id
          WHERE e.entity_id = p_entity AND e.period = p_period) rows
$$;

-- Several balances at once, in the order in which the posting trigger locks them.
CREATE FUNCTION lock_activity_balances(p_activities uuid[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public AS
$$ SELECT FROM activity_balance WHERE activity_id = ANY (p_activities) AND umbel_owns(owner_id)
   ORDER BY activity_id FOR NO KEY UPDATE $$;
GRANT EXECUTE ON FUNCTION lock_activity_balances TO umbel_app;

-- An entry about several members is seen by each of them, with their own lines only.
DROP POLICY own ON journal_entry;
CREATE POLICY own ON journal_entry USING (umbel_owns(owner_id)
    OR EXISTS (SELECT FROM posting p WHERE p.entry_id = journal_entry.id AND p.owner_id = umbel_person())) WITH CHECK (true);

-- What lowers the open amount of an invoice other than a payment.
CREATE TABLE invoice_reduction (
    id uuid PRIMARY KEY,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    kind text NOT NULL CHECK (kind IN ('credit_note', 'write_off')),
    source_id uuid NOT NULL CONSTRAINT invoice_reduction_source_once UNIQUE,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    reduced_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX invoice_reduction_invoice ON invoice_reduction (invoice_id);
CREATE INDEX invoice_reduction_member ON invoice_reduction (member_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON invoice_reduction FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE invoice_reduction ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invoice_reduction USING (umbel_owns(member_id));
GRANT SELECT, INSERT ON invoice_reduction TO umbel_app;

CREATE OR REPLACE VIEW invoice_open WITH (security_invoker = true) AS
SELECT i.id AS invoice_id, i.entity_id, i.member_id, i.gross_minor,
       i.gross_minor - coalesce((SELECT sum(a.amount_minor) FROM allocation a WHERE a.invoice_id = i.id), 0)::bigint
                     - coalesce((SELECT sum(r.amount_minor) FROM invoice_reduction r WHERE r.invoice_id = i.id), 0)::bigint AS open_minor
FROM invoice i WHERE i.state = 'issued' AND i.kind = 'invoice';

-- Whether the fact that an entry names is there, whatever its kind.
CREATE FUNCTION ledger_fact_exists(p_kind text, p_id uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public AS $$
DECLARE
    fact_table text;
    found_it boolean;
BEGIN
    SELECT source_table INTO fact_table FROM ledger_source WHERE kind = p_kind;
    IF fact_table IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE id = $1)', fact_table) INTO found_it USING p_id;
    RETURN found_it;
END $$;
GRANT EXECUTE ON FUNCTION ledger_fact_exists TO umbel_app;

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
WHERE i.state = 'issued' AND i.kind = 'invoice' AND (i.gross_minor, i.net_minor, i.tax_minor)
      IS DISTINCT FROM (coalesce(l.receivable, 0)::bigint, coalesce(l.turnover, 0)::bigint, coalesce(l.vat, 0)::bigint)
UNION ALL
SELECT e.id::text, format('%s has no %s %s', e.event, e.source_kind, e.source_id)
FROM journal_entry e
WHERE NOT ledger_fact_exists(e.source_kind, e.source_id)
   OR (e.source_kind = 'invoice' AND NOT EXISTS (SELECT FROM invoice x WHERE x.id = e.source_id AND x.state = 'issued'));
