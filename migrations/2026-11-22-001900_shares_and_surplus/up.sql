-- Shares that lapse and are given back; years that close, and what the mutual decides about their result.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('member', 'active', 'inactive'), ('member', 'inactive', 'active'), ('member', 'inactive', 'suspended'),
    ('share', 'paid', 'redeeming'), ('share', 'redeeming', 'redeemed'),
    ('redemption', '', 'noticed'), ('redemption', 'noticed', 'decided'), ('redemption', 'decided', 'paid'),
    ('appropriation', '', 'proposed'), ('appropriation', 'proposed', 'approved'), ('appropriation', 'proposed', 'rejected');

ALTER TABLE share DROP CONSTRAINT share_check;
ALTER TABLE share ADD CONSTRAINT share_check CHECK ((state = 'subscribed') = (paid_on IS NULL));
-- The register by entity, newest certificate first.
CREATE INDEX share_register ON share (entity_id, id);

-- A certificate is made once; whoever downloads it again gets the same bytes.
CREATE UNIQUE INDEX archived_file_certificate_once ON archived_file (subject_id) WHERE kind = 'share_certificate';

-- How shares are given back: dated, decided once, never edited.
CREATE TABLE redemption_policy (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    valid_from date NOT NULL,
    notice_months integer NOT NULL CHECK (notice_months BETWEEN 0 AND 60),
    waits_a_closing boolean NOT NULL,
    ceiling_minor bigint CHECK (ceiling_minor >= 0),
    ceiling_ppm bigint CHECK (ceiling_ppm BETWEEN 0 AND 1000000),
    currency char(3) NOT NULL REFERENCES currency,
    decision text NOT NULL CHECK (length(decision) BETWEEN 1 AND 500),
    decided_on date NOT NULL,
    created_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CHECK (ceiling_minor IS NULL OR ceiling_ppm IS NULL),
    CONSTRAINT redemption_policy_one_a_day UNIQUE (entity_id, valid_from)
);
CREATE INDEX redemption_policy_created_by ON redemption_policy (created_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON redemption_policy FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- One decision about what is given back at a closing, with everything its value was computed from.
CREATE TABLE redemption_run (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    closing_on date NOT NULL,
    capital_minor bigint NOT NULL,
    retained_minor bigint NOT NULL,
    result_minor bigint NOT NULL,
    share_count bigint NOT NULL CHECK (share_count > 0),
    -- Net assets for one share, rounded down, never negative.
    value_minor bigint NOT NULL CHECK (value_minor >= 0),
    ceiling_minor bigint CHECK (ceiling_minor >= 0),
    redeemed_minor bigint NOT NULL CHECK (redeemed_minor >= 0),
    currency char(3) NOT NULL REFERENCES currency,
    decided_by uuid NOT NULL REFERENCES person,
    decided_on date NOT NULL CHECK (decided_on > closing_on),
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX redemption_run_entity ON redemption_run (entity_id, closing_on);
CREATE INDEX redemption_run_decided_by ON redemption_run (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON redemption_run FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE redemption (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    share_id uuid NOT NULL CONSTRAINT redemption_once UNIQUE REFERENCES share,
    state text NOT NULL DEFAULT 'noticed',
    noticed_on date NOT NULL,
    -- The first closing at which it can be decided.
    due_on date NOT NULL CHECK (due_on >= noticed_on),
    quantity integer NOT NULL CHECK (quantity > 0),
    nominal_minor bigint NOT NULL CHECK (nominal_minor > 0),
    currency char(3) NOT NULL REFERENCES currency,
    run_id uuid REFERENCES redemption_run,
    amount_minor bigint CHECK (amount_minor BETWEEN 0 AND quantity * nominal_minor),
    decided_on date,
    paid_on date,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((state = 'noticed') = (run_id IS NULL)),
    CHECK ((run_id IS NULL) = (amount_minor IS NULL) AND (run_id IS NULL) = (decided_on IS NULL)),
    CHECK ((state = 'paid') = (paid_on IS NOT NULL))
);
CREATE INDEX redemption_member ON redemption (member_id);
CREATE INDEX redemption_queue_order ON redemption (entity_id, noticed_on, id) WHERE state = 'noticed';
CREATE INDEX redemption_entity ON redemption (entity_id);
CREATE INDEX redemption_run_id ON redemption (run_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON redemption FOR EACH ROW EXECUTE FUNCTION guard_state('redemption', 'member_id');

-- What one share was worth on a day. A member may ask and sees sums alone. Reserves that nobody may divide do not
-- count, nor does what a bank account held before the first statement.
CREATE FUNCTION share_net_assets(p_entity uuid, p_on date)
RETURNS TABLE (capital_minor bigint, retained_minor bigint, result_minor bigint, share_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'share_capital'), 0)::bigint,
           coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'retained_surplus'), 0)::bigint,
           coalesce(-sum(p.amount_minor) FILTER (WHERE a.kind IN ('income', 'expense')), 0)::bigint,
           (SELECT coalesce(sum(s.quantity), 0) FROM share s
            WHERE s.entity_id = p_entity AND s.subscribed_on <= p_on
              AND NOT EXISTS (SELECT FROM redemption r WHERE r.share_id = s.id AND r.decided_on <= p_on))::bigint
    FROM posting p JOIN journal_entry e ON e.id = p.entry_id JOIN ledger_account a ON a.code = p.account
    WHERE e.entity_id = p_entity AND e.booked_on <= p_on
      AND (p.account IN ('share_capital', 'retained_surplus') OR a.kind IN ('income', 'expense'))
$$;
-- Everybody who waits, in their order, without a name: so a member sees when their turn comes.
CREATE FUNCTION redemption_queue(p_entity uuid)
RETURNS TABLE (id uuid, due_on date, quantity integer, nominal_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT r.id, r.due_on, r.quantity, r.nominal_minor FROM redemption r
    WHERE r.entity_id = p_entity AND r.state = 'noticed' ORDER BY r.noticed_on, r.created_at, r.id
$$;
-- What was already given back at a closing: it uses up the ceiling of that year.
CREATE FUNCTION redeemed_at(p_entity uuid, p_closing date) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT coalesce(sum(redeemed_minor), 0)::bigint FROM redemption_run WHERE entity_id = p_entity AND closing_on = p_closing
$$;
GRANT EXECUTE ON FUNCTION share_net_assets, redemption_queue, redeemed_at TO umbel_app;

-- An outgoing line can pay a redemption. The list of kinds grows with the rooms, so it is extended and not restated.
DO $$
DECLARE
    kinds text := (SELECT pg_get_constraintdef(oid) FROM pg_constraint
                   WHERE conrelid = 'bank_line'::regclass AND conname = 'bank_line_matched_kind_check');
BEGIN
    ALTER TABLE bank_line DROP CONSTRAINT bank_line_matched_kind_check;
    EXECUTE 'ALTER TABLE bank_line ADD CONSTRAINT bank_line_matched_kind_check '
            || replace(kinds, 'ARRAY[', 'ARRAY[''redemption''::text, ');
END $$;

-- A closed year: its income and expenses went to retained_surplus in one entry, and nothing is booked in it any more.
CREATE TABLE fiscal_year (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    year integer NOT NULL CHECK (year BETWEEN 2000 AND 2999),
    result_minor bigint NOT NULL,
    currency char(3) NOT NULL REFERENCES currency,
    booked_on date NOT NULL,
    closed_by uuid NOT NULL REFERENCES person,
    closed_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT fiscal_year_once UNIQUE (entity_id, year)
);
CREATE INDEX fiscal_year_closed_by ON fiscal_year (closed_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON fiscal_year FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Runs after check_entry, which waits for whoever is closing a period: what it sees is committed.
CREATE FUNCTION check_fiscal_year() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NEW.event <> 'year_closed' AND EXISTS (
        SELECT FROM fiscal_year WHERE entity_id = NEW.entity_id AND year = extract(year FROM NEW.booked_on)) THEN
        RAISE EXCEPTION 'year % is closed', extract(year FROM NEW.booked_on)
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_open';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_fiscal_year BEFORE INSERT ON journal_entry FOR EACH ROW EXECUTE FUNCTION check_fiscal_year();

-- The first day that still takes entries: after the last closed month and after the last closed year.
CREATE FUNCTION first_open_day(p_entity uuid) RETURNS date LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT greatest((SELECT (to_date(max(period), 'YYYY-MM') + interval '1 month')::date FROM accounting_period WHERE entity_id = p_entity),
                    (SELECT make_date(max(year) + 1, 1, 1) FROM fiscal_year WHERE entity_id = p_entity))
$$;
GRANT EXECUTE ON FUNCTION first_open_day TO umbel_app;

-- The entry that closes a year empties accounts of all activities, invoices and pools at once; it alone needs no
-- dimension on them, and so leaves the sums of each activity, invoice and pool as they are.
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
    SELECT a.account, l.dimension, a.entry_id INTO bad FROM added a JOIN ledger_account l ON l.code = a.account
    WHERE l.dimension IS NOT NULL AND CASE l.dimension
        WHEN 'activity_id' THEN a.activity_id WHEN 'invoice_id' THEN a.invoice_id WHEN 'payout_id' THEN a.payout_id
        WHEN 'member_id' THEN a.member_id WHEN 'bank_line_id' THEN a.bank_line_id WHEN 'pool_id' THEN a.pool_id
        ELSE a.bank_account_id END IS NULL
    LIMIT 1;
    IF FOUND AND NOT EXISTS (SELECT FROM journal_entry WHERE id = bad.entry_id AND event = 'year_closed') THEN
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

-- What the law of a country wants set aside before anything is given back, as far as it says so in figures.
-- `review_on`: the day by which somebody who knows the law has looked at the row again.
CREATE TABLE legal_reserve_minimum (
    country char(2) NOT NULL,
    rate_ppm bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 1000000),
    -- The duty ends when the reserve has reached this part of the share capital; NULL: it never ends.
    until_capital_ppm bigint CHECK (until_capital_ppm > 0),
    valid_from date NOT NULL,
    valid_until date,
    source text NOT NULL,
    review_on date NOT NULL,
    PRIMARY KEY (country, valid_from),
    CONSTRAINT legal_reserve_minimum_no_overlap
        EXCLUDE USING gist (country WITH =, daterange(valid_from, valid_until, '[)') WITH &&)
);
INSERT INTO legal_reserve_minimum (country, rate_ppm, until_capital_ppm, valid_from, source, review_on) VALUES
    ('FR', 150000, 1000000, '1978-07-20', 'Law no. 78-763 of 19 July 1978, art. 33: 15 % until the reserve equals the capital', '2027-03-31'),
    ('BE', 0, NULL, '2019-05-01', 'Code of companies and associations, book 6: no legal reserve in figures; the statutes may want one', '2027-03-31'),
    ('DE', 0, NULL, '2006-08-18', 'Cooperatives Act (GenG), sec. 7 no. 2: the statutes set the legal reserve', '2027-03-31');

-- What the statutes add: dated, decided once, never edited.
CREATE TABLE surplus_policy (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    valid_from date NOT NULL,
    -- Of each surplus, beside what the law wants.
    legal_reserve_ppm bigint NOT NULL CHECK (legal_reserve_ppm BETWEEN 0 AND 1000000),
    -- Of the guarantee fund, how much may cover a loss.
    guarantee_for_losses_ppm bigint NOT NULL CHECK (guarantee_for_losses_ppm BETWEEN 0 AND 1000000),
    decision text NOT NULL CHECK (length(decision) BETWEEN 1 AND 500),
    decided_on date NOT NULL,
    created_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT surplus_policy_one_a_day UNIQUE (entity_id, valid_from)
);
CREATE INDEX surplus_policy_created_by ON surplus_policy (created_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON surplus_policy FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE appropriation (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    fiscal_year_id uuid NOT NULL REFERENCES fiscal_year,
    state text NOT NULL DEFAULT 'proposed',
    -- The result of the year and what earlier years left: negative when there is a loss to cover.
    surplus_minor bigint NOT NULL,
    currency char(3) NOT NULL REFERENCES currency,
    decision text NOT NULL CHECK (length(decision) BETWEEN 1 AND 500),
    decided_on date NOT NULL,
    proposed_by uuid NOT NULL REFERENCES person,
    approved_by uuid REFERENCES person CONSTRAINT appropriation_approver_is_another CHECK (approved_by <> proposed_by),
    booked_on date,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((state = 'approved') = (booked_on IS NOT NULL)),
    CHECK (state <> 'approved' OR approved_by IS NOT NULL)
);
-- A year is decided about once; what was rejected does not count.
CREATE UNIQUE INDEX appropriation_one_live ON appropriation (fiscal_year_id) WHERE state <> 'rejected';
CREATE INDEX appropriation_fiscal_year ON appropriation (fiscal_year_id);
CREATE INDEX appropriation_entity ON appropriation (entity_id);
CREATE INDEX appropriation_proposed_by ON appropriation (proposed_by);
CREATE INDEX appropriation_approved_by ON appropriation (approved_by);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON appropriation FOR EACH ROW EXECUTE FUNCTION guard_state('appropriation', 'no_owner');

CREATE TABLE appropriation_step (
    appropriation_id uuid NOT NULL REFERENCES appropriation,
    n integer NOT NULL CHECK (n > 0),
    kind text NOT NULL CHECK (kind IN ('legal_reserve', 'indivisible_reserve', 'guarantee_fund', 'patronage', 'loss_from_guarantee')),
    key text CHECK (key IN ('fees', 'volume', 'equal', 'years')),
    rate_ppm bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 1000000),
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    -- The sum of the weights of its parts.
    weight_sum bigint NOT NULL DEFAULT 0 CHECK (weight_sum >= 0),
    PRIMARY KEY (appropriation_id, n),
    CHECK ((kind = 'patronage') = (key IS NOT NULL))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON appropriation_step FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A member's part of a refund, with all that is needed to compute it again.
CREATE TABLE appropriation_part (
    appropriation_id uuid NOT NULL,
    n integer NOT NULL,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL REFERENCES activity,
    weight bigint NOT NULL CHECK (weight > 0),
    -- amount x weight / sum of weights = quota and remainder / sum of weights.
    quota_minor bigint NOT NULL CHECK (quota_minor >= 0),
    remainder bigint NOT NULL CHECK (remainder >= 0),
    amount_minor bigint NOT NULL,
    PRIMARY KEY (appropriation_id, n, member_id),
    FOREIGN KEY (appropriation_id, n) REFERENCES appropriation_step,
    CHECK (amount_minor IN (quota_minor, quota_minor + 1))
);
CREATE INDEX appropriation_part_member ON appropriation_part (member_id);
CREATE INDEX appropriation_part_activity ON appropriation_part (activity_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON appropriation_part FOR EACH ROW EXECUTE FUNCTION refuse_change();

INSERT INTO ledger_source (kind, source_table) VALUES
    ('redemption', 'redemption'), ('fiscal_year', 'fiscal_year'), ('appropriation', 'appropriation');
INSERT INTO ledger_event (event, source_kind) VALUES
    ('share_redeemed', 'redemption'), ('redemption_paid', 'redemption'),
    ('year_closed', 'fiscal_year'), ('surplus_appropriated', 'appropriation');

-- Shares that were given back are capital no more; what is owed for them is what was decided and not yet paid.
CREATE OR REPLACE VIEW invariant_i14_shares_are_capital WITH (security_invoker = true) AS
SELECT coalesce(s.member_id, l.member_id)::text AS subject,
       format('register %s, ledger %s', coalesce(s.amount, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT member_id, sum(quantity * nominal_minor) AS amount FROM share WHERE state <> 'redeemed' GROUP BY member_id) s
FULL JOIN (SELECT member_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'share_capital' GROUP BY member_id) l
       ON l.member_id = s.member_id
WHERE coalesce(s.amount, 0) <> coalesce(l.amount, 0)
UNION ALL
SELECT coalesce(r.member_id, l.member_id)::text, format('to be paid back %s, ledger %s', coalesce(r.amount, 0), coalesce(l.amount, 0))
FROM (SELECT member_id, sum(amount_minor) AS amount FROM redemption WHERE state = 'decided' GROUP BY member_id) r
FULL JOIN (SELECT member_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'redemption_payable' GROUP BY member_id) l
       ON l.member_id = r.member_id
WHERE coalesce(r.amount, 0) <> coalesce(l.amount, 0)
UNION ALL
SELECT s.id::text, format('share %s, redemption %s', s.state, coalesce(r.state, 'none'))
FROM share s LEFT JOIN redemption r ON r.share_id = s.id
WHERE CASE coalesce(r.state, 'none') WHEN 'none' THEN s.state NOT IN ('subscribed', 'paid')
           WHEN 'noticed' THEN s.state <> 'redeeming' ELSE s.state <> 'redeemed' END;

-- The steps of a decision are its entry, the parts of a refund are its step and what activities got of it, and the
-- result of a closed year is what its entry brought.
CREATE VIEW invariant_i22_appropriation_sums WITH (security_invoker = true) AS
SELECT a.id::text AS subject, format('steps %s, booked %s', s.amount, coalesce(l.amount, 0)) AS detail
FROM appropriation a
CROSS JOIN LATERAL (SELECT coalesce(sum(CASE kind WHEN 'loss_from_guarantee' THEN -amount_minor ELSE amount_minor END), 0) AS amount
                    FROM appropriation_step WHERE appropriation_id = a.id) s
LEFT JOIN (SELECT e.source_id, sum(p.amount_minor) AS amount FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE e.event = 'surplus_appropriated' AND p.account = 'retained_surplus' GROUP BY e.source_id) l ON l.source_id = a.id
WHERE coalesce(l.amount, 0) <> CASE a.state WHEN 'approved' THEN s.amount ELSE 0 END
UNION ALL
SELECT s.appropriation_id::text, format('step %s of %s has parts of %s', s.n, s.amount_minor, coalesce(p.amount, 0))
FROM appropriation_step s
LEFT JOIN (SELECT appropriation_id, n, sum(amount_minor) AS amount, sum(weight) AS weight FROM appropriation_part GROUP BY 1, 2) p
       ON p.appropriation_id = s.appropriation_id AND p.n = s.n
WHERE s.kind = 'patronage' AND (s.amount_minor <> coalesce(p.amount, 0) OR s.weight_sum <> coalesce(p.weight, 0))
UNION ALL
SELECT coalesce(p.appropriation_id, l.source_id)::text,
       format('activity %s: parts %s, booked %s', coalesce(p.activity_id, l.activity_id), coalesce(p.amount, 0), coalesce(l.amount, 0))
FROM (SELECT x.appropriation_id, x.activity_id, sum(x.amount_minor) AS amount FROM appropriation_part x
      JOIN appropriation a ON a.id = x.appropriation_id AND a.state = 'approved' GROUP BY 1, 2) p
FULL JOIN (SELECT e.source_id, p.activity_id, -sum(p.amount_minor) AS amount FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE e.event = 'surplus_appropriated' AND p.account = 'funds.available' GROUP BY 1, 2) l
       ON l.source_id = p.appropriation_id AND l.activity_id = p.activity_id
WHERE coalesce(p.amount, 0) <> coalesce(l.amount, 0)
UNION ALL
SELECT y.id::text, format('year %s has a result of %s, booked %s', y.year, y.result_minor, coalesce(l.amount, 0))
FROM fiscal_year y
LEFT JOIN (SELECT e.source_id, -sum(p.amount_minor) AS amount FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE e.event = 'year_closed' AND p.account = 'retained_surplus' GROUP BY e.source_id) l ON l.source_id = y.id
WHERE y.result_minor <> coalesce(l.amount, 0);

-- The closing of a year empties the account of all pools at once and is a cost of none.
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

ALTER TABLE redemption ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON redemption USING (umbel_owns(member_id));
-- The decision is everybody's to read, a part is its member's.
ALTER TABLE appropriation_part ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON appropriation_part USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());

GRANT SELECT ON legal_reserve_minimum, invariant_i22_appropriation_sums TO umbel_app;
GRANT SELECT, INSERT ON redemption_policy, redemption_run, fiscal_year, surplus_policy, appropriation_step, appropriation_part TO umbel_app;
GRANT SELECT, INSERT, UPDATE (state, run_id, amount_minor, decided_on, paid_on) ON redemption TO umbel_app;
GRANT SELECT, INSERT, UPDATE (state, approved_by, booked_on) ON appropriation TO umbel_app;
