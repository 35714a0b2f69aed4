-- Double entry, append-only, integer minor units. Debit positive, credit negative.

CREATE TABLE ledger_account (
    code text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('asset', 'liability', 'equity', 'income', 'expense', 'off_balance')),
    -- Which column of a posting must be filled for this account.
    dimension text CHECK (dimension IN ('activity_id', 'invoice_id', 'payout_id', 'member_id', 'bank_line_id', 'bank_account_id'))
);
INSERT INTO ledger_account (code, kind, dimension) VALUES
    ('bank', 'asset', 'bank_account_id'),
    ('receivable', 'asset', 'invoice_id'),
    ('share_receivable', 'asset', 'member_id'),
    ('vat_output', 'liability', NULL),
    ('funds.pending', 'liability', 'activity_id'),
    ('funds.available', 'liability', 'activity_id'),
    ('funds.reserved', 'liability', 'activity_id'),
    ('payouts_in_transit', 'liability', 'payout_id'),
    ('bank_suspense', 'liability', 'bank_line_id'),
    ('guarantee_fund', 'liability', NULL),
    ('share_capital', 'equity', 'member_id'),
    ('opening_balance', 'equity', NULL),
    ('turnover', 'income', 'activity_id'),
    ('fee_income', 'income', 'activity_id'),
    ('member_cost', 'expense', 'activity_id'),
    ('member_fees', 'expense', 'activity_id'),
    ('memo.advances', 'off_balance', 'invoice_id'),
    ('memo.advances_contra', 'off_balance', 'invoice_id');

-- What may be booked, and the table that holds the fact behind it.
CREATE TABLE ledger_source (
    kind text PRIMARY KEY,
    source_table text NOT NULL
);
CREATE TABLE ledger_event (
    event text PRIMARY KEY,
    source_kind text NOT NULL REFERENCES ledger_source
);

CREATE TABLE accounting_period (
    entity_id uuid NOT NULL REFERENCES entity,
    period char(7) NOT NULL CHECK (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    state text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed')),
    closed_at timestamptz NOT NULL DEFAULT umbel_now(),
    closed_by uuid REFERENCES person,
    entry_count bigint NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    PRIMARY KEY (entity_id, period)
);
CREATE INDEX accounting_period_closed_by ON accounting_period (closed_by);

CREATE TABLE journal_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    booked_on date NOT NULL,
    period char(7) NOT NULL GENERATED ALWAYS AS
        (lpad(extract(year FROM booked_on)::int::text, 4, '0') || '-' || lpad(extract(month FROM booked_on)::int::text, 2, '0')) STORED,
    event text NOT NULL REFERENCES ledger_event,
    source_kind text NOT NULL REFERENCES ledger_source,
    source_id uuid NOT NULL,
    owner_id uuid,
    reverses_id bigint CONSTRAINT journal_entry_reversed_once UNIQUE REFERENCES journal_entry,
    actor_id uuid,
    request_id uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- One fact is booked once, however often the job that books it runs.
    CONSTRAINT journal_entry_one_fact_once UNIQUE (source_kind, source_id, event)
);
CREATE INDEX journal_entry_period ON journal_entry (entity_id, period, id);

-- Balances of activities are the only sums kept as rows: they are what people spend.
CREATE TABLE activity_balance (
    activity_id uuid PRIMARY KEY,
    owner_id uuid NOT NULL,
    currency char(3) NOT NULL REFERENCES currency,
    pending_minor bigint NOT NULL DEFAULT 0 CONSTRAINT activity_pending_floor CHECK (pending_minor >= 0),
    available_minor bigint NOT NULL DEFAULT 0,
    reserved_minor bigint NOT NULL DEFAULT 0 CONSTRAINT activity_reserved_floor CHECK (reserved_minor >= 0),
    overdraft_minor bigint NOT NULL DEFAULT 0 CHECK (overdraft_minor >= 0),
    CONSTRAINT activity_available_floor CHECK (available_minor >= -overdraft_minor)
);

CREATE TABLE posting (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id bigint NOT NULL REFERENCES journal_entry,
    account text NOT NULL REFERENCES ledger_account,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    currency char(3) NOT NULL REFERENCES currency,
    activity_id uuid REFERENCES activity_balance,
    client_id uuid,
    invoice_id uuid,
    payout_id uuid,
    member_id uuid,
    bank_line_id uuid,
    bank_account_id uuid,
    tax_code text,
    owner_id uuid
);
CREATE INDEX posting_entry ON posting (entry_id);
CREATE INDEX posting_activity ON posting (activity_id, id) WHERE activity_id IS NOT NULL;
CREATE INDEX posting_invoice ON posting (invoice_id, account) WHERE invoice_id IS NOT NULL;
CREATE INDEX posting_account ON posting (account);

CREATE FUNCTION period_lock(p_entity uuid, p_period text) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT hashtextextended('period ' || p_entity || ' ' || p_period, 0) $$;

-- An entry needs an open period and a fact that exists. The shared lock is what closing a period waits for.
CREATE FUNCTION check_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    fact_table text;
    fact_exists boolean;
    wanted text := lpad(extract(year FROM NEW.booked_on)::int::text, 4, '0') || '-' || lpad(extract(month FROM NEW.booked_on)::int::text, 2, '0');
BEGIN
    PERFORM pg_advisory_xact_lock_shared(period_lock(NEW.entity_id, wanted));
    IF EXISTS (SELECT FROM accounting_period WHERE entity_id = NEW.entity_id AND period = wanted) THEN
        RAISE EXCEPTION 'period % is closed', wanted USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_open';
    END IF;
    SELECT s.source_table INTO fact_table FROM ledger_event e JOIN ledger_source s ON s.kind = e.source_kind
    WHERE e.event = NEW.event AND e.source_kind = NEW.source_kind;
    IF fact_table IS NULL THEN
        RAISE EXCEPTION 'event % has no source of kind %', NEW.event, NEW.source_kind
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'entry_source_kind';
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE id = $1)', fact_table) INTO fact_exists USING NEW.source_id;
    IF NOT fact_exists THEN
        RAISE EXCEPTION 'no % with id %', NEW.source_kind, NEW.source_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'entry_source_exists';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_entry BEFORE INSERT ON journal_entry FOR EACH ROW EXECUTE FUNCTION check_entry();

-- One statement brings all postings of an entry. They must sum to zero per currency and carry the dimension of
-- their account. Then, and only here, the balances of activities move, locked in ascending id order.
CREATE FUNCTION check_postings() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
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
CREATE TRIGGER check_postings AFTER INSERT ON posting REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_postings();

-- An entry without postings is refused at commit.
CREATE FUNCTION check_entry_has_postings() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM posting WHERE entry_id = NEW.id) THEN
        RAISE EXCEPTION 'entry % has no postings', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'entry_has_postings';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER entry_has_postings AFTER INSERT ON journal_entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_entry_has_postings();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON journal_entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON journal_entry EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON posting FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON posting EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON accounting_period FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The hash of a period: every entry and posting in order. Closing stores it, an invariant recomputes it.
CREATE FUNCTION period_sha256(p_entity uuid, p_period text) RETURNS bytea LANGUAGE sql STABLE AS $$
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

-- The runtime role reads balances and never writes them, so it locks them through this.
CREATE FUNCTION lock_activity_balance(p_activity uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public AS
$$ SELECT FROM activity_balance WHERE activity_id = p_activity AND umbel_owns(owner_id) FOR NO KEY UPDATE $$;
GRANT EXECUTE ON FUNCTION lock_activity_balance TO umbel_app;

ALTER TABLE activity_balance ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON activity_balance USING (umbel_owns(owner_id));
ALTER TABLE journal_entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON journal_entry USING (umbel_owns(owner_id)) WITH CHECK (true);
ALTER TABLE posting ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON posting USING (umbel_owns(owner_id)) WITH CHECK (true);

GRANT EXECUTE ON FUNCTION period_lock, period_sha256 TO umbel_app;
GRANT SELECT ON ledger_account, ledger_source, ledger_event TO umbel_app;
GRANT SELECT, INSERT ON journal_entry, posting, accounting_period TO umbel_app;
-- A balance begins at zero and moves with postings alone.
GRANT SELECT, INSERT (activity_id, owner_id, currency) ON activity_balance TO umbel_app;
