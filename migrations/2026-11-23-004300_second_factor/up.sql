-- A second factor beside the password, the proof that it makes, and how many people a batch needs.

CREATE TABLE second_factor (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    kind text NOT NULL CHECK (kind IN ('totp')),
    -- Sealed by the program.
    secret_sealed bytea NOT NULL,
    -- The last time step whose code was taken (RFC 6238, 5.2: each code counts once).
    last_step bigint,
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    locked_until timestamptz,
    confirmed_at timestamptz,
    ended_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE UNIQUE INDEX second_factor_one_live ON second_factor (person_id) WHERE ended_at IS NULL;
CREATE INDEX second_factor_person ON second_factor (person_id);

-- A code is never taken twice, and a factor that has ended stays ended.
CREATE FUNCTION guard_second_factor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.person_id, OLD.kind, OLD.secret_sealed) IS DISTINCT FROM (NEW.id, NEW.person_id, NEW.kind, NEW.secret_sealed)
       OR OLD.ended_at IS NOT NULL OR (OLD.confirmed_at IS NOT NULL AND NEW.confirmed_at IS DISTINCT FROM OLD.confirmed_at)
       OR (OLD.last_step IS NOT NULL AND coalesce(NEW.last_step < OLD.last_step, true)) THEN
        RAISE EXCEPTION 'a second factor goes forward only' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'second_factor_forward';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_second_factor BEFORE UPDATE ON second_factor FOR EACH ROW EXECUTE FUNCTION guard_second_factor();

CREATE TABLE recovery_code (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    factor_id uuid NOT NULL REFERENCES second_factor,
    used_at timestamptz
);
CREATE INDEX recovery_code_factor ON recovery_code (factor_id);
CREATE FUNCTION guard_recovery_code() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.used_at IS NOT NULL OR NEW.used_at IS NULL THEN
        RAISE EXCEPTION 'a recovery code is used once' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'recovery_code_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_recovery_code BEFORE UPDATE ON recovery_code FOR EACH ROW EXECUTE FUNCTION guard_recovery_code();

-- A person showed a second factor for one command on one hash.
CREATE TABLE step_up (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    factor_id uuid NOT NULL REFERENCES second_factor,
    method text NOT NULL CHECK (method IN ('totp', 'recovery_code')),
    operation text NOT NULL CHECK (length(operation) BETWEEN 1 AND 60),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    expires_at timestamptz NOT NULL,
    used_at timestamptz CHECK (used_at <= expires_at),
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX step_up_person ON step_up (person_id);
CREATE INDEX step_up_factor ON step_up (factor_id);
CREATE FUNCTION guard_step_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.used_at IS NOT NULL OR NEW.used_at IS NULL
       OR (OLD.id, OLD.person_id, OLD.factor_id, OLD.method, OLD.operation, OLD.sha256, OLD.expires_at, OLD.created_at)
          IS DISTINCT FROM (NEW.id, NEW.person_id, NEW.factor_id, NEW.method, NEW.operation, NEW.sha256, NEW.expires_at, NEW.created_at) THEN
        RAISE EXCEPTION 'a proof is used once' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'step_up_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_step_up BEFORE UPDATE ON step_up FOR EACH ROW EXECUTE FUNCTION guard_step_up();

-- Somebody lost their factor: two administrators, none of them the person, and a day in which the person can object.
INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('factor_reset', '', 'asked'), ('factor_reset', 'asked', 'agreed'), ('factor_reset', 'asked', 'cancelled'),
    ('factor_reset', 'agreed', 'cancelled'), ('factor_reset', 'agreed', 'done');
CREATE TABLE factor_reset (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    state text NOT NULL DEFAULT 'asked',
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    asked_by uuid NOT NULL REFERENCES person CONSTRAINT factor_reset_asker_is_another CHECK (asked_by <> person_id),
    agreed_by uuid REFERENCES person
        CONSTRAINT factor_reset_agreer_is_another CHECK (agreed_by <> person_id AND agreed_by <> asked_by),
    agreed_at timestamptz,
    effective_at timestamptz CHECK (effective_at >= agreed_at + interval '24 hours'),
    done_at timestamptz CHECK (done_at >= effective_at),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((agreed_by IS NULL) = (agreed_at IS NULL) AND (agreed_by IS NULL) = (effective_at IS NULL)),
    CHECK ((state = 'done') = (done_at IS NOT NULL) AND (state NOT IN ('agreed', 'done') OR agreed_by IS NOT NULL))
);
CREATE UNIQUE INDEX factor_reset_one_open ON factor_reset (person_id) WHERE state IN ('asked', 'agreed');
CREATE INDEX factor_reset_person ON factor_reset (person_id);
CREATE INDEX factor_reset_asked_by ON factor_reset (asked_by);
CREATE INDEX factor_reset_agreed_by ON factor_reset (agreed_by);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON factor_reset FOR EACH ROW EXECUTE FUNCTION guard_state('factor_reset', 'person_id');

ALTER TABLE second_factor ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON second_factor USING (umbel_owns(person_id));
ALTER TABLE recovery_code ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON recovery_code
    USING (EXISTS (SELECT FROM second_factor f WHERE f.id = factor_id AND umbel_owns(f.person_id)));
ALTER TABLE step_up ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON step_up USING (umbel_owns(person_id));
ALTER TABLE factor_reset ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON factor_reset USING (umbel_owns(person_id));
GRANT SELECT, INSERT, UPDATE (last_step, failures, locked_until, confirmed_at, ended_at) ON second_factor TO umbel_app;
GRANT SELECT, INSERT, UPDATE (used_at) ON recovery_code, step_up TO umbel_app;
GRANT SELECT, INSERT, UPDATE ON factor_reset TO umbel_app;

-- How many approvals a batch needs, by its total. Of each threshold the newest row in force counts, and of all
-- thresholds up to the total the highest number. A row that asks for fewer than the one before it counts only once a
-- second person agreed.
CREATE TABLE approval_amount (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    entity_id uuid NOT NULL REFERENCES entity,
    from_minor bigint NOT NULL CHECK (from_minor >= 0),
    -- Bank files are in euro.
    currency char(3) NOT NULL DEFAULT 'EUR' REFERENCES currency CHECK (currency = 'EUR'),
    approvers integer NOT NULL CHECK (approvers BETWEEN 1 AND 5),
    valid_from date NOT NULL,
    loosens boolean NOT NULL,
    decided_by uuid NOT NULL REFERENCES person,
    agreed_by uuid REFERENCES person CONSTRAINT approval_amount_agreer_is_another CHECK (agreed_by <> decided_by),
    agreed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((agreed_by IS NULL) = (agreed_at IS NULL)),
    CHECK (loosens OR agreed_by IS NULL)
);
CREATE INDEX approval_amount_entity ON approval_amount (entity_id, valid_from);
CREATE INDEX approval_amount_decided_by ON approval_amount (decided_by);
CREATE INDEX approval_amount_agreed_by ON approval_amount (agreed_by);

-- The number that counts for a threshold at an instant; null where nothing was decided.
CREATE FUNCTION approvers_of_threshold(p_entity uuid, p_from bigint, p_day date, p_at timestamptz) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT a.approvers FROM approval_amount a
    WHERE a.entity_id = p_entity AND a.from_minor = p_from AND a.valid_from <= p_day AND a.created_at <= p_at
      AND (NOT a.loosens OR a.agreed_at <= p_at)
    ORDER BY a.valid_from DESC, a.seq DESC LIMIT 1
$$;

CREATE FUNCTION guard_approval_amount() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.loosens := coalesce(approvers_of_threshold(NEW.entity_id, NEW.from_minor, NEW.valid_from, umbel_now()) > NEW.approvers, false);
        IF NEW.agreed_by IS NOT NULL THEN
            RAISE EXCEPTION 'nobody agrees before it is decided' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_amount_agreed_later';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.agreed_by IS NOT NULL OR NEW.agreed_by IS NULL
       OR (OLD.id, OLD.entity_id, OLD.from_minor, OLD.approvers, OLD.valid_from, OLD.loosens, OLD.decided_by)
          IS DISTINCT FROM (NEW.id, NEW.entity_id, NEW.from_minor, NEW.approvers, NEW.valid_from, NEW.loosens, NEW.decided_by) THEN
        RAISE EXCEPTION 'a threshold is agreed to once' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_amount_agreed_later';
    END IF;
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_approval_amount BEFORE INSERT OR UPDATE ON approval_amount FOR EACH ROW EXECUTE FUNCTION guard_approval_amount();

-- For how many days an approval counts, and after how many working days a silent bank becomes a person's to ask.
CREATE TABLE batch_policy (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    entity_id uuid NOT NULL REFERENCES entity,
    valid_from date NOT NULL,
    approval_days integer NOT NULL CHECK (approval_days BETWEEN 1 AND 31),
    silent_days integer NOT NULL CHECK (silent_days BETWEEN 1 AND 30),
    decided_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX batch_policy_entity ON batch_policy (entity_id, valid_from);
CREATE INDEX batch_policy_decided_by ON batch_policy (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON batch_policy FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE approval_amount ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON approval_amount USING (umbel_sees_all());
ALTER TABLE batch_policy ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON batch_policy USING (umbel_sees_all());
GRANT SELECT, INSERT, UPDATE (agreed_by, agreed_at) ON approval_amount TO umbel_app;
GRANT SELECT, INSERT ON batch_policy TO umbel_app;

ALTER TABLE batch_approval ADD COLUMN step_up_id uuid CONSTRAINT batch_approval_step_up_once UNIQUE REFERENCES step_up;
ALTER TABLE payout_batch ADD COLUMN release_step_up_id uuid CONSTRAINT payout_batch_step_up_once UNIQUE REFERENCES step_up;
ALTER TABLE payout_batch ADD COLUMN expiry_told_at timestamptz;

-- Approvals that count at an instant: over these bytes, after the seal, not too old, by people of whom none built, sealed,
-- is paid, or last changed where a payee is paid.
CREATE FUNCTION batch_approvals_counted(p_batch uuid, p_at timestamptz) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(DISTINCT a.approver_id)::integer
    FROM payout_batch b JOIN entity e ON e.id = b.entity_id JOIN batch_approval a ON a.batch_id = b.id
    WHERE b.id = p_batch AND a.sha256 = b.sha256 AND a.at >= b.sealed_at AND a.at <= p_at
      AND a.at > p_at - make_interval(days => coalesce((SELECT y.approval_days FROM batch_policy y
            WHERE y.entity_id = b.entity_id AND y.valid_from <= (p_at AT TIME ZONE e.zone)::date AND y.created_at <= p_at
            ORDER BY y.valid_from DESC, y.seq DESC LIMIT 1), 7))
      AND a.approver_id NOT IN (b.sealed_by, b.built_by)
      AND NOT EXISTS (SELECT FROM payout p LEFT JOIN payee_account c ON c.id = p.payee_account_id
                      WHERE p.batch_id = b.id AND a.approver_id IN (p.member_id, c.verified_by))
$$;
CREATE FUNCTION batch_approvals_needed(p_batch uuid, p_total bigint, p_at timestamptz) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT greatest(1, coalesce(max(approvers_of_threshold(b.entity_id, t.from_minor, (p_at AT TIME ZONE e.zone)::date, p_at)), 1))
    FROM payout_batch b JOIN entity e ON e.id = b.entity_id
    LEFT JOIN (SELECT DISTINCT entity_id, from_minor FROM approval_amount) t ON t.entity_id = b.entity_id AND t.from_minor <= p_total
    WHERE b.id = p_batch
$$;
GRANT EXECUTE ON FUNCTION batch_approvals_counted, batch_approvals_needed TO umbel_app;

-- Four eyes or more: not who sealed, not who is paid, not who last changed where a payee is paid, over exactly these
-- bytes, and with a second factor shown for them now.
CREATE OR REPLACE FUNCTION guard_approval() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    batch payout_batch%ROWTYPE;
BEGIN
    SELECT * INTO batch FROM payout_batch WHERE id = NEW.batch_id FOR UPDATE;
    IF batch.state NOT IN ('sealed', 'approved') OR batch.sha256 IS DISTINCT FROM NEW.sha256 THEN
        RAISE EXCEPTION 'approved bytes are not the sealed bytes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_over_sealed_bytes';
    END IF;
    IF NEW.approver_id IN (batch.sealed_by, batch.built_by)
       OR EXISTS (SELECT FROM payout p LEFT JOIN payee_account c ON c.id = p.payee_account_id
                  WHERE p.batch_id = NEW.batch_id AND NEW.approver_id IN (p.member_id, c.verified_by)) THEN
        RAISE EXCEPTION 'an approver neither seals nor is paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_by_another';
    END IF;
    IF NOT EXISTS (SELECT FROM step_up s WHERE s.id = NEW.step_up_id AND s.person_id = NEW.approver_id
                     AND s.operation = 'approve_batch' AND s.sha256 = NEW.sha256 AND s.used_at = NEW.at) THEN
        RAISE EXCEPTION 'an approval needs a second factor' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_needs_second_factor';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION guard_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    items record;
BEGIN
    IF OLD.state = 'released' THEN
        RAISE EXCEPTION 'a released batch never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_immutable';
    END IF;
    -- Who built it and what it pays from decide who may approve it, so they stand from the beginning.
    IF (OLD.entity_id, OLD.bank_account_id, OLD.currency, OLD.built_by)
       IS DISTINCT FROM (NEW.entity_id, NEW.bank_account_id, NEW.currency, NEW.built_by) THEN
        RAISE EXCEPTION 'the facts of a batch never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_immutable';
    END IF;
    -- Once sealed, it changes only by being opened again, which voids every approval.
    IF OLD.state IN ('sealed', 'approved') AND NEW.state <> 'open'
       AND (OLD.sha256, OLD.file_id, OLD.payout_count, OLD.control_sum_minor, OLD.message_id, OLD.execute_on, OLD.sealed_by, OLD.sealed_at)
       IS DISTINCT FROM (NEW.sha256, NEW.file_id, NEW.payout_count, NEW.control_sum_minor, NEW.message_id, NEW.execute_on, NEW.sealed_by, NEW.sealed_at) THEN
        RAISE EXCEPTION 'sealed bytes never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_immutable';
    END IF;
    IF NEW.state = 'sealed' AND OLD.state = 'open' THEN
        SELECT count(*) AS n, coalesce(sum(coalesce(net_minor, amount_minor)), 0) AS total INTO items FROM payout WHERE batch_id = NEW.id;
        IF items.n = 0 OR items.n <> NEW.payout_count OR items.total <> NEW.control_sum_minor
           OR NOT EXISTS (SELECT FROM archived_file f WHERE f.id = NEW.file_id AND f.sha256 = NEW.sha256 AND f.subject_id = NEW.id) THEN
            RAISE EXCEPTION 'the seal of batch % does not fit its payouts', NEW.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_seal_fits';
        END IF;
        IF EXISTS (SELECT FROM payout WHERE batch_id = NEW.id AND member_id = NEW.sealed_by) THEN
            RAISE EXCEPTION 'who seals is not paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_by_another';
        END IF;
    END IF;
    -- An approval counts only if it came after this very seal, is not too old, and is one of enough.
    IF NEW.state IN ('approved', 'released') AND NEW.state <> OLD.state
       AND batch_approvals_counted(NEW.id, umbel_now()) < batch_approvals_needed(NEW.id, NEW.control_sum_minor, umbel_now()) THEN
        RAISE EXCEPTION 'batch % is not approved by enough other people', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_needs_approval';
    END IF;
    IF NEW.state = 'released' AND (
        EXISTS (SELECT FROM payout WHERE batch_id = NEW.id AND member_id = NEW.released_by)
        OR NOT EXISTS (SELECT FROM step_up s WHERE s.id = NEW.release_step_up_id AND s.person_id = NEW.released_by
                         AND s.operation = 'release_batch' AND s.sha256 = NEW.sha256 AND s.used_at = NEW.released_at)) THEN
        RAISE EXCEPTION 'a release needs a second factor of somebody who is not paid'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_needs_second_factor';
    END IF;
    RETURN NEW;
END $$;

-- What happened before the second factor existed is judged as it was then: approvals of that time carry no proof.
CREATE OR REPLACE VIEW invariant_i13_released_by_four_eyes WITH (security_invoker = true) AS
SELECT b.id::text AS subject, 'released without enough approvals by other people over the same bytes'::text AS detail
FROM payout_batch b
WHERE b.state = 'released'
  AND (batch_approvals_counted(b.id, b.released_at) < batch_approvals_needed(b.id, b.control_sum_minor, b.released_at)
       OR EXISTS (SELECT FROM payout p WHERE p.batch_id = b.id AND p.member_id IN (b.sealed_by, b.released_by)))
UNION ALL
SELECT b.id::text, 'the sealed file is not the approved one'
FROM payout_batch b JOIN archived_file f ON f.id = b.file_id
WHERE sha256(f.bytes) <> b.sha256 OR f.sha256 <> b.sha256
UNION ALL
SELECT b.id::text, 'the sealed count or sum is not that of its payouts'
FROM payout_batch b
CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(sum(coalesce(p.net_minor, p.amount_minor)), 0) AS total FROM payout p WHERE p.batch_id = b.id) t
WHERE b.sha256 IS NOT NULL AND (b.payout_count, b.control_sum_minor) IS DISTINCT FROM (t.n::int, t.total::bigint);

-- Every proof was used for one command, on the hash that it was made for.
CREATE VIEW invariant_i34_proofs_fit WITH (security_invoker = true) AS
SELECT s.id::text AS subject, 'a proof was used for nothing, or for something else'::text AS detail
FROM step_up s
WHERE s.used_at IS NOT NULL AND s.operation IN ('approve_batch', 'release_batch')
  AND NOT EXISTS (SELECT FROM batch_approval a WHERE a.step_up_id = s.id AND s.operation = 'approve_batch'
                    AND a.approver_id = s.person_id AND a.sha256 = s.sha256)
  AND NOT EXISTS (SELECT FROM payout_batch b WHERE b.release_step_up_id = s.id AND s.operation = 'release_batch'
                    AND b.released_by = s.person_id AND b.sha256 = s.sha256)
UNION ALL
SELECT s.id::text, 'a proof is dated before its factor or after it ended'
FROM step_up s JOIN second_factor f ON f.id = s.factor_id
WHERE f.person_id <> s.person_id OR f.confirmed_at IS NULL OR s.created_at < f.confirmed_at OR s.created_at > f.ended_at;
GRANT SELECT ON invariant_i34_proofs_fit TO umbel_app;
