-- When money is paid out by itself: calendars of four countries and of TARGET2, cut-offs of an entity, a plan for an
-- activity with its dated versions, and one row for each logical date that has come.

-- 'EU' stands for TARGET2, the European system in which euro transfers are settled: its closing days.
WITH RECURSIVE years AS (SELECT generate_series(2020, 2045) AS y),
a AS (SELECT y, y % 19 AS a, y / 100 AS b, y % 100 AS c FROM years),
b AS (SELECT *, (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30 AS h FROM a),
c AS (SELECT *, (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7 AS l FROM b),
d AS (SELECT *, (a + 11 * h + 22 * l) / 451 AS m FROM c),
easter AS (SELECT y, make_date(y, (h + l - 7 * m + 114) / 31, (h + l - 7 * m + 114) % 31 + 1) AS sunday FROM d)
INSERT INTO holiday (country, day, name)
SELECT country, day, string_agg(name, ', ')
FROM easter, LATERAL (VALUES
    -- Code du travail, art. L3133-1.
    ('FR', make_date(y, 1, 1), 'New Year'), ('FR', sunday + 1, 'Easter Monday'), ('FR', make_date(y, 5, 1), 'Labour Day'),
    ('FR', make_date(y, 5, 8), 'Victory'), ('FR', sunday + 39, 'Ascension'), ('FR', sunday + 50, 'Whit Monday'),
    ('FR', make_date(y, 7, 14), 'National Day'), ('FR', make_date(y, 8, 15), 'Assumption'),
    ('FR', make_date(y, 11, 1), 'All Saints'), ('FR', make_date(y, 11, 11), 'Armistice'), ('FR', make_date(y, 12, 25), 'Christmas'),
    -- The nine days of every Land; those of single Länder are left out.
    ('DE', make_date(y, 1, 1), 'New Year'), ('DE', sunday - 2, 'Good Friday'), ('DE', sunday + 1, 'Easter Monday'),
    ('DE', make_date(y, 5, 1), 'Labour Day'), ('DE', sunday + 39, 'Ascension'), ('DE', sunday + 50, 'Whit Monday'),
    ('DE', make_date(y, 10, 3), 'German Unity'), ('DE', make_date(y, 12, 25), 'Christmas'), ('DE', make_date(y, 12, 26), 'Second day of Christmas'),
    -- Legge 27 maggio 1949, n. 260; from 2026 also Legge 8 ottobre 2025, n. 151.
    ('IT', make_date(y, 1, 1), 'New Year'), ('IT', make_date(y, 1, 6), 'Epiphany'), ('IT', sunday, 'Easter'),
    ('IT', sunday + 1, 'Easter Monday'), ('IT', make_date(y, 4, 25), 'Liberation'), ('IT', make_date(y, 5, 1), 'Labour Day'),
    ('IT', make_date(y, 6, 2), 'Republic'), ('IT', make_date(y, 8, 15), 'Assumption'),
    ('IT', CASE WHEN y >= 2026 THEN make_date(y, 10, 4) END, 'Saint Francis'), ('IT', make_date(y, 11, 1), 'All Saints'),
    ('IT', make_date(y, 12, 8), 'Immaculate Conception'), ('IT', make_date(y, 12, 25), 'Christmas'), ('IT', make_date(y, 12, 26), 'Saint Stephen'),
    -- The long-term calendar of TARGET closing days, European Central Bank, 14 December 2000.
    ('EU', make_date(y, 1, 1), 'New Year'), ('EU', sunday - 2, 'Good Friday'), ('EU', sunday + 1, 'Easter Monday'),
    ('EU', make_date(y, 5, 1), 'Labour Day'), ('EU', make_date(y, 12, 25), 'Christmas'), ('EU', make_date(y, 12, 26), 'Second day of Christmas')
) AS days (country, day, name)
WHERE day IS NOT NULL
GROUP BY country, day;

-- Until when money that is to leave on a day must be set aside: a time of day, so many bank days before.
CREATE TABLE payout_cut_off (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    valid_from date NOT NULL,
    days_before integer NOT NULL CHECK (days_before BETWEEN 0 AND 10),
    minute_of_day integer NOT NULL CHECK (minute_of_day BETWEEN 0 AND 1439),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT payout_cut_off_day_unique UNIQUE (entity_id, valid_from)
);
CREATE INDEX payout_cut_off_decided_by ON payout_cut_off (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payout_cut_off FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE payout_plan (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL CONSTRAINT payout_plan_activity_unique UNIQUE,
    state text NOT NULL DEFAULT 'active',
    currency char(3) NOT NULL REFERENCES currency,
    -- Every logical date up to this day is decided.
    decided_through date NOT NULL,
    -- The next one, and the moment at which its money is set aside; none on demand, and while work decides.
    next_on date,
    due_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((next_on IS NULL) = (due_at IS NULL)),
    CHECK (next_on > decided_through),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id)
);
CREATE INDEX payout_plan_member ON payout_plan (member_id, id);
CREATE INDEX payout_plan_activity ON payout_plan (member_id, activity_id);
CREATE INDEX payout_plan_due ON payout_plan (entity_id, due_at) WHERE state = 'active';
INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('payout_plan', '', 'active'), ('payout_plan', 'active', 'paused'), ('payout_plan', 'paused', 'active');
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON payout_plan FOR EACH ROW EXECUTE FUNCTION guard_state('payout_plan', 'member_id');

-- A date that is decided stays decided.
CREATE FUNCTION guard_payout_plan() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.decided_through < OLD.decided_through
       OR (NEW.entity_id, NEW.member_id, NEW.activity_id, NEW.currency) IS DISTINCT FROM (OLD.entity_id, OLD.member_id, OLD.activity_id, OLD.currency) THEN
        RAISE EXCEPTION 'the decided dates of plan % stay', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_plan_goes_on';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout_plan BEFORE UPDATE ON payout_plan FOR EACH ROW EXECUTE FUNCTION guard_payout_plan();

-- The newest one holds from its day on.
CREATE TABLE payout_plan_version (
    plan_id uuid NOT NULL REFERENCES payout_plan,
    n integer NOT NULL CHECK (n > 0),
    member_id uuid NOT NULL REFERENCES member,
    valid_from date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('on_demand', 'weekly', 'monthly', 'tenth_of_next_month', 'month_end', 'after_work')),
    -- The day of the week or of the month, or working days after work.
    count integer,
    on_closed text NOT NULL CHECK (on_closed IN ('before', 'after')),
    minimum_minor bigint NOT NULL CHECK (minimum_minor BETWEEN 0 AND 99999999999),
    fixed_minor bigint CHECK (fixed_minor BETWEEN 1 AND 99999999999),
    floor_minor bigint CHECK (floor_minor BETWEEN 1 AND fixed_minor),
    horizon_days integer CHECK (horizon_days BETWEEN 7 AND 366),
    decided_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (plan_id, n),
    CHECK (CASE kind WHEN 'weekly' THEN count BETWEEN 1 AND 7 WHEN 'monthly' THEN count BETWEEN 1 AND 31
                     WHEN 'after_work' THEN count BETWEEN 0 AND 60 ELSE count IS NULL END),
    CHECK ((fixed_minor IS NULL) = (floor_minor IS NULL) AND (fixed_minor IS NULL) = (horizon_days IS NULL)),
    CHECK (fixed_minor IS NULL OR kind NOT IN ('on_demand', 'after_work'))
);
CREATE INDEX payout_plan_version_member ON payout_plan_version (member_id);
CREATE INDEX payout_plan_version_decided_by ON payout_plan_version (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payout_plan_version FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- One row for each logical date that has come, whatever happens to the program.
CREATE TABLE payout_plan_run (
    plan_id uuid NOT NULL,
    logical_on date NOT NULL,
    n integer NOT NULL,
    member_id uuid NOT NULL REFERENCES member,
    value_on date NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('paid', 'nothing_available', 'below_minimum', 'below_floor', 'refused', 'missed')),
    -- What was there to be paid.
    available_minor bigint,
    amount_minor bigint CHECK (amount_minor > 0),
    payout_id uuid REFERENCES payout CONSTRAINT payout_plan_run_payout_once UNIQUE,
    refused_by text CHECK (length(refused_by) BETWEEN 1 AND 64),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (plan_id, logical_on),
    FOREIGN KEY (plan_id, n) REFERENCES payout_plan_version,
    CHECK ((outcome = 'paid') = (payout_id IS NOT NULL) AND (outcome = 'paid') = (amount_minor IS NOT NULL)),
    CHECK ((outcome = 'refused') = (refused_by IS NOT NULL)),
    CHECK ((outcome IN ('missed', 'refused')) = (available_minor IS NULL))
);
CREATE INDEX payout_plan_run_version ON payout_plan_run (plan_id, n);
CREATE INDEX payout_plan_run_member ON payout_plan_run (member_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payout_plan_run FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What a run pays is a payout of the plan's own activity, to the cent, and an open day is where its money leaves.
CREATE FUNCTION check_payout_plan_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    plan payout_plan;
BEGIN
    SELECT * INTO plan FROM payout_plan p WHERE p.id = NEW.plan_id;
    IF NEW.logical_on <= plan.decided_through OR NEW.member_id <> plan.member_id THEN
        RAISE EXCEPTION 'date % of plan % is decided', NEW.logical_on, NEW.plan_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_plan_goes_on';
    END IF;
    IF NEW.payout_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM payout p WHERE p.id = NEW.payout_id AND p.activity_id = plan.activity_id AND p.amount_minor = NEW.amount_minor) THEN
        RAISE EXCEPTION 'the payout is not that of plan %', NEW.plan_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_plan_run_fits';
    END IF;
    IF extract(isodow FROM NEW.value_on) > 5 OR EXISTS (
        SELECT FROM holiday h JOIN entity e ON e.id = plan.entity_id WHERE h.day = NEW.value_on AND h.country IN (e.country, 'EU')) THEN
        RAISE EXCEPTION 'banks are closed on %', NEW.value_on USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_plan_run_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_payout_plan_run BEFORE INSERT ON payout_plan_run FOR EACH ROW EXECUTE FUNCTION check_payout_plan_run();

ALTER TABLE payout_plan ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON payout_plan USING (umbel_owns(member_id));
ALTER TABLE payout_plan_version ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON payout_plan_version USING (umbel_owns(member_id));
ALTER TABLE payout_plan_run ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON payout_plan_run USING (umbel_owns(member_id));

GRANT SELECT, INSERT ON payout_cut_off, payout_plan_version, payout_plan_run TO umbel_app;
GRANT SELECT, INSERT, UPDATE ON payout_plan TO umbel_app;

-- What a run paid is a payout of its activity and amount, one for each run; no decided plan lacks its next date's moment.
CREATE VIEW invariant_i39_plan_runs_pay_once WITH (security_invoker = true) AS
SELECT r.plan_id::text AS subject, format('run of %s says %s, its payout %s', r.logical_on, r.amount_minor, p.amount_minor) AS detail
FROM payout_plan_run r JOIN payout_plan l ON l.id = r.plan_id LEFT JOIN payout p ON p.id = r.payout_id
WHERE r.outcome = 'paid' AND (p.id IS NULL OR p.amount_minor <> r.amount_minor OR p.activity_id <> l.activity_id)
UNION ALL
SELECT r.plan_id::text, format('run of %s after what is decided, %s', r.logical_on, l.decided_through)
FROM payout_plan_run r JOIN payout_plan l ON l.id = r.plan_id WHERE r.logical_on > l.decided_through;
GRANT SELECT ON invariant_i39_plan_runs_pay_once TO umbel_app;
