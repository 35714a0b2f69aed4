-- What suppliers charge, for an activity or for a pool, and how the cost of a pool is divided among activities.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('cost', '', 'submitted'), ('cost', 'submitted', 'approved'), ('cost', 'submitted', 'rejected'),
    ('pool', '', 'proposed'), ('pool', 'proposed', 'open'), ('pool', 'open', 'closing'), ('pool', 'closing', 'closed'),
    ('pool_run', '', 'booked'), ('pool_run', 'booked', 'reversed');

CREATE TABLE pool (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 140),
    purpose text NOT NULL CHECK (length(purpose) BETWEEN 1 AND 2000),
    budget_minor bigint NOT NULL CHECK (budget_minor >= 0),
    currency char(3) NOT NULL REFERENCES currency,
    -- In what usage is counted: hours, prints, nights.
    unit text NOT NULL DEFAULT '' CHECK (length(unit) <= 40),
    -- Whether activities may be charged ahead of the costs, up to the budget.
    instalments boolean NOT NULL,
    overfunding text NOT NULL CHECK (overfunding IN ('refund', 'carry')),
    deficit text NOT NULL CHECK (deficit IN ('charge_next_run', 'mutual_bears')),
    state text NOT NULL DEFAULT 'proposed',
    proposed_by uuid NOT NULL REFERENCES person,
    decision text CHECK (length(decision) BETWEEN 1 AND 500),
    decided_on date,
    opened_by uuid REFERENCES person CONSTRAINT pool_opener_is_another CHECK (opened_by <> proposed_by),
    closed_on date,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT pool_name_unique UNIQUE (entity_id, name),
    CHECK ((state = 'proposed') = (opened_by IS NULL)),
    CHECK ((opened_by IS NULL) = (decision IS NULL) AND (opened_by IS NULL) = (decided_on IS NULL)),
    CHECK ((state = 'closed') = (closed_on IS NOT NULL))
);
CREATE INDEX pool_proposed_by ON pool (proposed_by);
CREATE INDEX pool_opened_by ON pool (opened_by);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON pool FOR EACH ROW EXECUTE FUNCTION guard_state('pool', 'no_owner');

-- How the cost is divided from a day on. A hybrid has two parts, each divided and rounded by itself.
CREATE TABLE pool_key (
    id uuid PRIMARY KEY,
    pool_id uuid NOT NULL REFERENCES pool,
    version_number integer NOT NULL CHECK (version_number > 0),
    valid_from date NOT NULL,
    decision text NOT NULL CHECK (length(decision) BETWEEN 1 AND 500),
    created_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT pool_key_version_unique UNIQUE (pool_id, version_number),
    CONSTRAINT pool_key_one_a_day UNIQUE (pool_id, valid_from)
);
CREATE INDEX pool_key_created_by ON pool_key (created_by);
CREATE TABLE pool_key_part (
    key_id uuid NOT NULL REFERENCES pool_key,
    n smallint NOT NULL CHECK (n BETWEEN 1 AND 2),
    basis text NOT NULL CHECK (basis IN ('equal', 'turnover', 'usage', 'days_present', 'fixed_shares', 'seats')),
    share_ppm bigint NOT NULL CHECK (share_ppm BETWEEN 1 AND 1000000),
    PRIMARY KEY (key_id, n)
);
CREATE FUNCTION check_pool_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF (SELECT coalesce(sum(share_ppm), 0) FROM pool_key_part WHERE key_id = NEW.id) <> 1000000 THEN
        RAISE EXCEPTION 'the parts of key % are not the whole', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'pool_key_whole';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER pool_key_whole AFTER INSERT ON pool_key DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_pool_key();

CREATE TABLE pool_membership (
    id uuid PRIMARY KEY,
    pool_id uuid NOT NULL REFERENCES pool,
    activity_id uuid NOT NULL,
    member_id uuid NOT NULL,
    -- The first day in, and the first day out.
    in_from date NOT NULL,
    out_from date CHECK (out_from > in_from),
    created_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id),
    CONSTRAINT pool_membership_no_overlap
        EXCLUDE USING gist (pool_id WITH =, activity_id WITH =, daterange(in_from, out_from, '[)') WITH &&)
);
CREATE INDEX pool_membership_pool ON pool_membership (pool_id, activity_id);
CREATE INDEX pool_membership_activity ON pool_membership (member_id, activity_id);
CREATE INDEX pool_membership_created_by ON pool_membership (created_by);

CREATE TABLE pool_share (
    key_id uuid NOT NULL REFERENCES pool_key,
    activity_id uuid NOT NULL REFERENCES activity,
    -- In ten-thousandths.
    weight bigint NOT NULL CHECK (weight > 0),
    PRIMARY KEY (key_id, activity_id)
);
CREATE INDEX pool_share_activity ON pool_share (activity_id);

CREATE TABLE pool_usage (
    id uuid PRIMARY KEY,
    pool_id uuid NOT NULL REFERENCES pool,
    activity_id uuid NOT NULL,
    member_id uuid NOT NULL,
    used_on date NOT NULL,
    quantity numeric(14, 4) NOT NULL CHECK (quantity > 0),
    -- The name that a meter or booking system gives it, so that a file imported twice counts once.
    external_ref text CHECK (length(external_ref) BETWEEN 1 AND 100),
    recorded_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT pool_usage_once UNIQUE (pool_id, external_ref),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id)
);
CREATE INDEX pool_usage_day ON pool_usage (pool_id, used_on);
CREATE INDEX pool_usage_activity ON pool_usage (member_id, activity_id);
CREATE INDEX pool_usage_recorded_by ON pool_usage (recorded_by);

-- A contract that members use together: so much for a seat and a month, and who has how many seats on which days.
CREATE TABLE pool_contract (
    id uuid PRIMARY KEY,
    pool_id uuid NOT NULL REFERENCES pool,
    supplier text NOT NULL CHECK (length(supplier) BETWEEN 1 AND 140),
    reference text NOT NULL CHECK (length(reference) BETWEEN 1 AND 140),
    seat_month_minor bigint NOT NULL CHECK (seat_month_minor > 0),
    currency char(3) NOT NULL REFERENCES currency,
    valid_from date NOT NULL,
    valid_until date CHECK (valid_until > valid_from),
    created_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT pool_contract_one_at_a_time EXCLUDE USING gist (pool_id WITH =, daterange(valid_from, valid_until, '[)') WITH &&)
);
CREATE INDEX pool_contract_pool ON pool_contract (pool_id);
CREATE INDEX pool_contract_created_by ON pool_contract (created_by);
CREATE TABLE pool_seat (
    id uuid PRIMARY KEY,
    contract_id uuid NOT NULL REFERENCES pool_contract,
    pool_id uuid NOT NULL REFERENCES pool,
    activity_id uuid NOT NULL,
    member_id uuid NOT NULL,
    seats integer NOT NULL CHECK (seats BETWEEN 1 AND 10000),
    from_on date NOT NULL,
    -- The first day without them.
    until_on date CHECK (until_on > from_on),
    created_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id),
    CONSTRAINT pool_seat_no_overlap
        EXCLUDE USING gist (contract_id WITH =, activity_id WITH =, daterange(from_on, until_on, '[)') WITH &&)
);
CREATE INDEX pool_seat_contract ON pool_seat (contract_id);
CREATE INDEX pool_seat_pool ON pool_seat (pool_id);
CREATE INDEX pool_seat_activity ON pool_seat (member_id, activity_id);
CREATE INDEX pool_seat_created_by ON pool_seat (created_by);

CREATE TABLE cost (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    activity_id uuid,
    member_id uuid,
    pool_id uuid REFERENCES pool,
    supplier text NOT NULL CHECK (length(supplier) BETWEEN 1 AND 140),
    reference text NOT NULL CHECK (length(reference) BETWEEN 1 AND 140),
    invoiced_on date NOT NULL,
    description text NOT NULL CHECK (length(description) BETWEEN 1 AND 2000),
    net_minor bigint NOT NULL CHECK (net_minor > 0),
    vat_minor bigint NOT NULL CHECK (vat_minor >= 0),
    recoverable_vat_minor bigint NOT NULL CHECK (recoverable_vat_minor >= 0 AND recoverable_vat_minor <= vat_minor),
    -- Owed to the supplier.
    gross_minor bigint NOT NULL CHECK (gross_minor = net_minor + vat_minor),
    -- What it costs the activity or the pool: without the VAT that the state gives back.
    charged_minor bigint NOT NULL CHECK (charged_minor = gross_minor - recoverable_vat_minor),
    currency char(3) NOT NULL REFERENCES currency,
    -- A production cost lowers the gross margin on which fees may be computed.
    in_fee_base boolean NOT NULL DEFAULT false,
    document_id uuid REFERENCES archived_file,
    state text NOT NULL DEFAULT 'submitted',
    submitted_by uuid NOT NULL REFERENCES person,
    decided_by uuid REFERENCES person CONSTRAINT cost_decider_is_another CHECK (decided_by <> submitted_by),
    decided_on date,
    reason text CHECK (length(reason) <= 2000),
    bank_line_id uuid CONSTRAINT cost_bank_line_once UNIQUE REFERENCES bank_line,
    paid_on date,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((activity_id IS NULL) <> (pool_id IS NULL)),
    CHECK ((activity_id IS NULL) = (member_id IS NULL)),
    CHECK (activity_id IS NOT NULL OR NOT in_fee_base),
    CHECK ((state = 'submitted') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_on IS NULL)),
    CHECK ((bank_line_id IS NULL) = (paid_on IS NULL) AND (paid_on IS NULL OR state = 'approved')),
    CONSTRAINT cost_decider_is_not_paid_for CHECK (decided_by <> member_id),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id)
);
-- One invoice of a supplier is a cost once, unless it was rejected.
CREATE UNIQUE INDEX cost_once ON cost (entity_id, lower(supplier), lower(reference), gross_minor) WHERE state <> 'rejected';
CREATE INDEX cost_state ON cost (state, id);
CREATE INDEX cost_activity ON cost (member_id, activity_id);
CREATE INDEX cost_pool ON cost (pool_id, invoiced_on, id);
CREATE INDEX cost_document ON cost (document_id);
CREATE INDEX cost_submitted_by ON cost (submitted_by);
CREATE INDEX cost_decided_by ON cost (decided_by);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON cost FOR EACH ROW EXECUTE FUNCTION guard_state('cost', 'member_id');

-- A pool takes costs while it is open, of its own entity and in its own currency.
CREATE FUNCTION check_cost_pool() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    charged pool%ROWTYPE;
BEGIN
    SELECT * INTO charged FROM pool WHERE id = NEW.pool_id FOR SHARE;
    IF (charged.entity_id, charged.currency) IS DISTINCT FROM (NEW.entity_id, NEW.currency)
       OR charged.state NOT IN ('open', 'closing') OR (TG_OP = 'INSERT' AND charged.state <> 'open') THEN
        RAISE EXCEPTION 'pool % does not take this cost', NEW.pool_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cost_pool_is_open';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_cost_pool BEFORE INSERT ON cost FOR EACH ROW WHEN (NEW.pool_id IS NOT NULL) EXECUTE FUNCTION check_cost_pool();
CREATE TRIGGER check_cost_pool_approved BEFORE UPDATE ON cost FOR EACH ROW
    WHEN (NEW.pool_id IS NOT NULL AND NEW.state = 'approved' AND OLD.state <> 'approved') EXECUTE FUNCTION check_cost_pool();

CREATE TABLE pool_run (
    id uuid PRIMARY KEY,
    pool_id uuid NOT NULL REFERENCES pool,
    key_id uuid REFERENCES pool_key,
    -- Costs that are there; an instalment ahead of them; or what was collected too much, given back.
    kind text NOT NULL CHECK (kind IN ('costs', 'instalment', 'refund')),
    from_on date NOT NULL,
    to_on date NOT NULL CHECK (to_on >= from_on),
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0 AND (kind = 'refund') = (amount_minor < 0)),
    currency char(3) NOT NULL REFERENCES currency,
    state text NOT NULL DEFAULT 'booked',
    booked_by uuid NOT NULL REFERENCES person,
    booked_on date NOT NULL,
    reversed_by uuid REFERENCES person CONSTRAINT pool_run_reverser_is_another CHECK (reversed_by <> booked_by),
    reversed_on date,
    reason text CHECK (length(reason) BETWEEN 1 AND 2000),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((kind = 'refund') = (key_id IS NULL)),
    CHECK ((state = 'reversed') = (reversed_by IS NOT NULL) AND (reversed_by IS NULL) = (reversed_on IS NULL)
           AND (reversed_by IS NULL) = (reason IS NULL)),
    -- Costs are used up when they are divided; an instalment has nothing to use up but its days.
    CONSTRAINT pool_run_instalment_once EXCLUDE USING gist (pool_id WITH =, daterange(from_on, to_on, '[]') WITH &&)
        WHERE (kind = 'instalment' AND state = 'booked')
);
CREATE INDEX pool_run_pool ON pool_run (pool_id, to_on);
CREATE INDEX pool_run_key ON pool_run (key_id);
CREATE INDEX pool_run_booked_by ON pool_run (booked_by);
CREATE INDEX pool_run_reversed_by ON pool_run (reversed_by);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON pool_run FOR EACH ROW EXECUTE FUNCTION guard_state('pool_run', 'no_owner');

-- One division: the amount of one part of the key by one basis.
CREATE TABLE pool_run_split (
    run_id uuid NOT NULL REFERENCES pool_run,
    n smallint NOT NULL CHECK (n BETWEEN 1 AND 2),
    basis text NOT NULL CHECK (basis IN ('equal', 'turnover', 'usage', 'days_present', 'fixed_shares', 'seats', 'parts')),
    share_ppm bigint NOT NULL CHECK (share_ppm BETWEEN 1 AND 1000000),
    amount_minor bigint NOT NULL,
    weight_sum bigint NOT NULL CHECK (weight_sum > 0),
    PRIMARY KEY (run_id, n)
);
-- What one activity bears of it: amount x weight / weight_sum = floor + remainder / weight_sum, and a missing
-- cent where the remainders are largest.
CREATE TABLE pool_run_part (
    run_id uuid NOT NULL,
    n smallint NOT NULL,
    activity_id uuid NOT NULL REFERENCES activity,
    member_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    weight bigint NOT NULL CHECK (weight >= 0),
    floor_minor bigint NOT NULL,
    remainder bigint NOT NULL CHECK (remainder >= 0),
    amount_minor bigint NOT NULL CHECK (amount_minor - floor_minor BETWEEN -1 AND 1),
    PRIMARY KEY (run_id, n, activity_id),
    FOREIGN KEY (run_id, n) REFERENCES pool_run_split
);
CREATE INDEX pool_run_part_activity ON pool_run_part (activity_id, run_id);
-- Which costs a run divides; those of a reversed run are free again.
CREATE TABLE pool_run_cost (
    run_id uuid NOT NULL REFERENCES pool_run,
    cost_id uuid NOT NULL REFERENCES cost,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (run_id, cost_id)
);
CREATE INDEX pool_run_cost_cost ON pool_run_cost (cost_id);

CREATE FUNCTION check_pool_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NEW.amount_minor IS DISTINCT FROM (SELECT sum(amount_minor) FROM pool_run_split WHERE run_id = NEW.id)
       OR EXISTS (SELECT FROM pool_run_split s
                  LEFT JOIN (SELECT n, sum(amount_minor) AS amount, sum(weight) AS weight FROM pool_run_part WHERE run_id = NEW.id GROUP BY n) p
                         ON p.n = s.n
                  WHERE s.run_id = NEW.id AND (s.amount_minor, s.weight_sum) IS DISTINCT FROM (p.amount::bigint, p.weight::bigint))
       OR (NEW.kind = 'costs' AND NEW.amount_minor IS DISTINCT FROM (SELECT sum(amount_minor) FROM pool_run_cost WHERE run_id = NEW.id)) THEN
        RAISE EXCEPTION 'the parts of run % are not its amount', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'pool_run_adds_up';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER pool_run_adds_up AFTER INSERT ON pool_run DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_pool_run();

-- A cost is divided once: what live runs take of it never exceeds it, and no instalment covers more than it is.
CREATE FUNCTION check_pool_run_cost() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
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
CREATE TRIGGER check_pool_run_cost BEFORE INSERT ON pool_run_cost FOR EACH ROW EXECUTE FUNCTION check_pool_run_cost();

-- The days that a run has divided stay as they are: who was in, who used what, who had which seats.
CREATE FUNCTION pool_booked_through(p_pool uuid) RETURNS date LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT max(to_on) FROM pool_run WHERE pool_id = p_pool AND state = 'booked' AND kind <> 'refund' $$;
CREATE FUNCTION guard_pool_days() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    touched date;
BEGIN
    IF TG_TABLE_NAME = 'pool_membership' THEN
        touched := CASE WHEN TG_OP = 'INSERT' THEN NEW.in_from
                        ELSE least(coalesce(OLD.out_from, 'infinity'), coalesce(NEW.out_from, 'infinity')) END;
    ELSIF TG_TABLE_NAME = 'pool_seat' THEN
        touched := CASE WHEN TG_OP = 'INSERT' THEN NEW.from_on
                        ELSE least(coalesce(OLD.until_on, 'infinity'), coalesce(NEW.until_on, 'infinity')) END;
    ELSIF TG_TABLE_NAME = 'pool_usage' THEN
        touched := NEW.used_on;
    ELSE
        touched := NEW.valid_from;
    END IF;
    IF touched <= pool_booked_through(NEW.pool_id) THEN
        RAISE EXCEPTION 'day % of pool % is divided', touched, NEW.pool_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'pool_period_booked';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_days BEFORE INSERT OR UPDATE ON pool_membership FOR EACH ROW EXECUTE FUNCTION guard_pool_days();
CREATE TRIGGER guard_days BEFORE INSERT OR UPDATE ON pool_seat FOR EACH ROW EXECUTE FUNCTION guard_pool_days();
CREATE TRIGGER guard_days BEFORE INSERT ON pool_usage FOR EACH ROW EXECUTE FUNCTION guard_pool_days();
CREATE TRIGGER guard_days BEFORE INSERT ON pool_key FOR EACH ROW EXECUTE FUNCTION guard_pool_days();

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['pool_key', 'pool_key_part', 'pool_share', 'pool_usage', 'pool_contract', 'pool_run_split', 'pool_run_part', 'pool_run_cost'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change()', t);
    END LOOP;
END $$;

INSERT INTO ledger_source (kind, source_table) VALUES ('cost', 'cost'), ('pool_run', 'pool_run');
INSERT INTO ledger_event (event, source_kind) VALUES
    ('cost_booked', 'cost'), ('supplier_paid', 'cost'), ('pool_allocated', 'pool_run'), ('pool_allocation_reversed', 'pool_run');

-- A bank line may pay a supplier: one more kind, whatever kinds there are already.
DO $$
DECLARE kinds text := (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'bank_line_matched_kind_check');
BEGIN
    ALTER TABLE bank_line DROP CONSTRAINT bank_line_matched_kind_check;
    EXECUTE 'ALTER TABLE bank_line ADD CONSTRAINT bank_line_matched_kind_check ' || replace(kinds, '''invoice''::text', '''invoice''::text, ''cost''::text');
END $$;

-- Who reads: everybody of the entity sees that a pool is there; who is or was in it reads its whole account.
CREATE FUNCTION umbel_in_entity(p_entity uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT EXISTS (SELECT FROM member WHERE id = umbel_person() AND entity_id = p_entity) $$;
CREATE FUNCTION umbel_in_pool(p_pool uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT EXISTS (SELECT FROM pool_membership WHERE pool_id = p_pool AND member_id = umbel_person()) $$;
-- The names of those who share a pool, for those who share it.
CREATE FUNCTION pool_names(p_pool uuid, p_activities uuid[]) RETURNS TABLE (activity_id uuid, activity_name text, member_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT a.id, a.name, p.name FROM activity a JOIN person p ON p.id = a.member_id
    WHERE a.id = ANY (p_activities) AND (umbel_sees_all() OR umbel_in_pool(p_pool))
      AND (EXISTS (SELECT FROM pool_membership m WHERE m.pool_id = p_pool AND m.activity_id = a.id)) $$;
GRANT EXECUTE ON FUNCTION umbel_in_entity, umbel_in_pool, pool_names, pool_booked_through TO umbel_app;

ALTER TABLE cost ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON cost USING (umbel_owns(member_id) OR (pool_id IS NOT NULL AND umbel_in_pool(pool_id)))
    WITH CHECK (umbel_owns(member_id));
ALTER TABLE pool ENABLE ROW LEVEL SECURITY;
CREATE POLICY entity ON pool USING (umbel_sees_all() OR umbel_in_entity(entity_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE pool_membership ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON pool_membership USING (umbel_owns(member_id) OR umbel_in_pool(pool_id)) WITH CHECK (umbel_owns(member_id));
ALTER TABLE pool_usage ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON pool_usage USING (umbel_owns(member_id) OR umbel_in_pool(pool_id)) WITH CHECK (umbel_owns(member_id));
ALTER TABLE pool_seat ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON pool_seat USING (umbel_owns(member_id) OR umbel_in_pool(pool_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE pool_run_part ENABLE ROW LEVEL SECURITY;
CREATE POLICY pool ON pool_run_part USING (umbel_sees_all() OR umbel_in_pool(pool_id)) WITH CHECK (umbel_sees_all());
DO $$
DECLARE t text;
BEGIN
    -- What hangs on a pool is seen by whoever sees the pool.
    FOREACH t IN ARRAY ARRAY['pool_key', 'pool_contract', 'pool_run'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY entity ON %I USING (umbel_sees_all() OR EXISTS (SELECT FROM pool p WHERE p.id = pool_id)) WITH CHECK (umbel_sees_all())', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['pool_run_split', 'pool_run_cost'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY entity ON %I USING (umbel_sees_all() OR EXISTS (SELECT FROM pool_run r WHERE r.id = run_id)) WITH CHECK (umbel_sees_all())', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['pool_key_part', 'pool_share'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY entity ON %I USING (umbel_sees_all() OR EXISTS (SELECT FROM pool_key k WHERE k.id = key_id)) WITH CHECK (umbel_sees_all())', t);
    END LOOP;
END $$;

GRANT SELECT, INSERT ON pool_key, pool_key_part, pool_share, pool_usage, pool_contract, pool_run_split, pool_run_part, pool_run_cost TO umbel_app;
GRANT SELECT, INSERT, UPDATE (state, decision, decided_on, opened_by, closed_on) ON pool TO umbel_app;
GRANT SELECT, INSERT, UPDATE (out_from) ON pool_membership TO umbel_app;
GRANT SELECT, INSERT, UPDATE (until_on) ON pool_seat TO umbel_app;
GRANT SELECT, INSERT, UPDATE (state, reversed_by, reversed_on, reason) ON pool_run TO umbel_app;
GRANT SELECT, INSERT, UPDATE (state, decided_by, decided_on, reason, bank_line_id, paid_on) ON cost TO umbel_app;

-- Each run is its parts, its splits and its entry; each cost is divided at most once; the books say the same of each pool.
CREATE VIEW invariant_i07_runs_are_pool_cost WITH (security_invoker = true) AS
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

CREATE VIEW invariant_i23_suppliers_are_costs WITH (security_invoker = true) AS
SELECT c.id::text AS subject, format('owed to the supplier %s, ledger %s', c.owed, coalesce(l.amount, 0)) AS detail
FROM (SELECT id, CASE WHEN state = 'approved' AND paid_on IS NULL THEN gross_minor ELSE 0 END AS owed FROM cost) c
LEFT JOIN (SELECT e.source_id, -sum(p.amount_minor) AS amount FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE p.account = 'supplier_payable' GROUP BY e.source_id) l ON l.source_id = c.id
WHERE c.owed <> coalesce(l.amount, 0);

GRANT SELECT ON invariant_i07_runs_are_pool_cost, invariant_i23_suppliers_are_costs TO umbel_app;
