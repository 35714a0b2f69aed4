-- Work that takes longer than a request, with its progress; proposed rules, and what they would have meant.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('job', '', 'queued'), ('job', 'queued', 'running'), ('job', 'queued', 'cancelled'),
    ('job', 'running', 'done'), ('job', 'running', 'failed'), ('job', 'running', 'cancelled'),
    ('proposal', '', 'draft'), ('proposal', 'draft', 'published'), ('proposal', 'draft', 'withdrawn'),
    ('proposal', 'published', 'adopted'), ('proposal', 'published', 'rejected'), ('proposal', 'published', 'withdrawn');

CREATE TABLE job (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
    entity_id uuid NOT NULL REFERENCES entity,
    -- What the job is about: a row of the room that asked for it.
    subject_id uuid NOT NULL,
    requested_by uuid NOT NULL REFERENCES person,
    state text NOT NULL DEFAULT 'queued',
    parameters jsonb NOT NULL,
    result jsonb,
    error_code text CHECK (length(error_code) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    started_at timestamptz,
    finished_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    CHECK ((state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CHECK ((state = 'done') = (result IS NOT NULL)),
    CHECK ((state = 'failed') = (error_code IS NOT NULL)),
    CHECK (state IN ('queued', 'cancelled') OR started_at IS NOT NULL)
);
CREATE INDEX job_requested_by ON job (requested_by, id);
CREATE INDEX job_entity ON job (entity_id);
CREATE INDEX job_subject ON job (subject_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON job FOR EACH ROW EXECUTE FUNCTION guard_state('job', 'requested_by');

CREATE FUNCTION guard_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.finished_at IS NOT NULL
       OR (OLD.kind, OLD.subject_id, OLD.requested_by, OLD.parameters) IS DISTINCT FROM (NEW.kind, NEW.subject_id, NEW.requested_by, NEW.parameters) THEN
        RAISE EXCEPTION 'job % is over, or is what was asked for', OLD.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'job_frozen';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_job BEFORE UPDATE ON job FOR EACH ROW EXECUTE FUNCTION guard_job();

-- Apart from the job, so that its version counts decisions and not every few rows.
CREATE TABLE job_progress (
    job_id uuid PRIMARY KEY REFERENCES job,
    done_count bigint NOT NULL DEFAULT 0 CHECK (done_count >= 0),
    total_count bigint CHECK (total_count >= 0),
    heartbeat_at timestamptz NOT NULL DEFAULT umbel_now()
);

CREATE TABLE proposal (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    state text NOT NULL DEFAULT 'draft',
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 4000),
    -- What a rule set says, as it was proposed; it becomes one when it is adopted.
    rules jsonb NOT NULL,
    created_by uuid NOT NULL REFERENCES person,
    published_at timestamptz,
    ended_at timestamptz,
    rule_set_id uuid CONSTRAINT proposal_rule_set_once UNIQUE REFERENCES rule_set,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((state = 'adopted') = (rule_set_id IS NOT NULL)),
    CHECK ((state IN ('adopted', 'rejected', 'withdrawn')) = (ended_at IS NOT NULL)),
    CHECK (state IN ('draft', 'withdrawn') OR published_at IS NOT NULL)
);
CREATE INDEX proposal_entity ON proposal (entity_id, id);
CREATE INDEX proposal_created_by ON proposal (created_by);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON proposal FOR EACH ROW EXECUTE FUNCTION guard_state('proposal', 'created_by');

-- What people talk about and vote on does not change under them: another idea is another proposal.
CREATE FUNCTION guard_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL OR (OLD.entity_id, OLD.title, OLD.note, OLD.rules, OLD.created_by) IS DISTINCT FROM
                                   (NEW.entity_id, NEW.title, NEW.note, NEW.rules, NEW.created_by) THEN
        RAISE EXCEPTION 'proposal % never changes', OLD.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'proposal_frozen';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_proposal BEFORE UPDATE ON proposal FOR EACH ROW EXECUTE FUNCTION guard_proposal();

-- A past period played again under proposed rules.
CREATE TABLE dry_run (
    id uuid PRIMARY KEY,
    proposal_id uuid NOT NULL REFERENCES proposal,
    job_id uuid NOT NULL CONSTRAINT dry_run_job_once UNIQUE REFERENCES job,
    currency char(3) NOT NULL REFERENCES currency,
    from_period char(7) NOT NULL CHECK (from_period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    to_period char(7) NOT NULL CHECK (to_period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    -- How far it is, and what it has in its hands there: whoever takes it up again goes on from here.
    carried jsonb NOT NULL DEFAULT '{}',
    invoice_count bigint NOT NULL DEFAULT 0 CHECK (invoice_count >= 0),
    member_count bigint,
    better_off bigint,
    worse_off bigint,
    largest_gain_minor bigint CHECK (largest_gain_minor <= 0),
    largest_loss_minor bigint CHECK (largest_loss_minor >= 0),
    -- SHA-256 over all results, in their order.
    sha256 bytea CHECK (octet_length(sha256) = 32),
    finished_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CHECK (from_period <= to_period),
    CHECK ((sha256 IS NULL) = (finished_at IS NULL)),
    CHECK (num_nonnulls(member_count, better_off, worse_off, largest_gain_minor, largest_loss_minor, finished_at) IN (0, 6)),
    CHECK (better_off + worse_off <= member_count)
);
CREATE INDEX dry_run_proposal ON dry_run (proposal_id, id);

CREATE FUNCTION guard_dry_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF EXISTS (SELECT FROM dry_run r WHERE r.finished_at IS NOT NULL
               AND r.id = (to_jsonb(NEW) ->> CASE TG_TABLE_NAME WHEN 'dry_run' THEN 'id' ELSE 'dry_run_id' END)::uuid) THEN
        RAISE EXCEPTION 'a finished dry run never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'dry_run_frozen';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER frozen BEFORE UPDATE ON dry_run FOR EACH ROW EXECUTE FUNCTION guard_dry_run();

-- What one member paid in the period, and would have paid: charges are positive, a reversal is negative.
CREATE TABLE dry_run_effect (
    dry_run_id uuid NOT NULL REFERENCES dry_run,
    member_id uuid NOT NULL REFERENCES member,
    currency char(3) NOT NULL REFERENCES currency,
    invoice_count bigint NOT NULL CHECK (invoice_count >= 0),
    invoiced_minor bigint NOT NULL,
    booked_fee_minor bigint NOT NULL,
    proposed_fee_minor bigint NOT NULL,
    booked_guarantee_minor bigint NOT NULL,
    proposed_guarantee_minor bigint NOT NULL,
    difference_minor bigint NOT NULL GENERATED ALWAYS AS
        (proposed_fee_minor - booked_fee_minor + proposed_guarantee_minor - booked_guarantee_minor) STORED,
    PRIMARY KEY (dry_run_id, member_id)
);
CREATE INDEX dry_run_effect_sorted ON dry_run_effect (dry_run_id, difference_minor, member_id);
CREATE INDEX dry_run_effect_member ON dry_run_effect (member_id);
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE ON dry_run_effect FOR EACH ROW EXECUTE FUNCTION guard_dry_run();

-- The same for the mutual, by month.
CREATE TABLE dry_run_month (
    dry_run_id uuid NOT NULL REFERENCES dry_run,
    period char(7) NOT NULL,
    currency char(3) NOT NULL REFERENCES currency,
    booked_fee_minor bigint NOT NULL,
    proposed_fee_minor bigint NOT NULL,
    booked_guarantee_minor bigint NOT NULL,
    proposed_guarantee_minor bigint NOT NULL,
    PRIMARY KEY (dry_run_id, period)
);
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE ON dry_run_month FOR EACH ROW EXECUTE FUNCTION guard_dry_run();

-- The documents of an activity in the order of their days: what a dry run reads.
CREATE INDEX invoice_replay ON invoice (activity_id, issued_on, id) WHERE state = 'issued';

ALTER TABLE job ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON job USING (umbel_owns(requested_by));
ALTER TABLE job_progress ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON job_progress USING (EXISTS (SELECT FROM job j WHERE j.id = job_id));
-- A draft is the office's; what is published is everybody's.
ALTER TABLE proposal ENABLE ROW LEVEL SECURITY;
CREATE POLICY published ON proposal USING (umbel_sees_all() OR published_at IS NOT NULL) WITH CHECK (umbel_sees_all());
ALTER TABLE dry_run ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_proposal ON dry_run USING (EXISTS (SELECT FROM proposal p WHERE p.id = proposal_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE dry_run_effect ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON dry_run_effect USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());

GRANT SELECT, INSERT, UPDATE (state, result, error_code, started_at, finished_at) ON job TO umbel_app;
GRANT SELECT, INSERT, UPDATE (done_count, total_count, heartbeat_at) ON job_progress TO umbel_app;
GRANT SELECT, INSERT, UPDATE (state, published_at, ended_at, rule_set_id) ON proposal TO umbel_app;
GRANT SELECT, INSERT ON dry_run TO umbel_app;
GRANT SELECT ON dry_run_effect, dry_run_month TO umbel_app;

-- Who plays a period again: reads documents and rules, writes results, and can write nothing else, the books least of all.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'umbel_replay') THEN
        CREATE ROLE umbel_replay NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
DO $$
BEGIN
    IF NOT pg_has_role('umbel_app', 'umbel_replay', 'MEMBER') THEN
        GRANT umbel_replay TO umbel_app;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO umbel_replay;
GRANT EXECUTE ON FUNCTION umbel_now, umbel_person, umbel_sees_all, umbel_owns TO umbel_replay;
-- Asked by the row-level security of what it reads.
GRANT EXECUTE ON FUNCTION umbel_shares_activity, umbel_in_pool TO umbel_replay;
GRANT SELECT ON activity, invoice, levy_charge, rule_set, rule_set_levy, proposal TO umbel_replay;
GRANT SELECT ON levy_override, levy_exemption, allocation, cost TO umbel_replay;
GRANT SELECT, UPDATE (carried, invoice_count, member_count, better_off, worse_off, largest_gain_minor, largest_loss_minor, sha256, finished_at)
    ON dry_run TO umbel_replay;
GRANT SELECT, INSERT, UPDATE ON dry_run_effect, dry_run_month TO umbel_replay;
