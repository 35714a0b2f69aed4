-- Payouts that wait for a person, and how much may leave at all.

CREATE TABLE payout_hold (
    id uuid PRIMARY KEY,
    -- What waits: one payout, all of a member, or all to an account.
    payout_id uuid REFERENCES payout,
    held_member_id uuid REFERENCES member,
    account_id uuid REFERENCES payee_account,
    -- Whose money waits, and who reads the reason.
    member_id uuid NOT NULL REFERENCES member,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    placed_by uuid NOT NULL REFERENCES person CONSTRAINT payout_hold_by_staff CHECK (placed_by <> member_id),
    placed_at timestamptz NOT NULL DEFAULT umbel_now(),
    lifted_by uuid REFERENCES person CONSTRAINT payout_hold_lifted_by_another CHECK (lifted_by <> placed_by AND lifted_by <> member_id),
    lifted_at timestamptz,
    lift_reason text CHECK (length(lift_reason) BETWEEN 1 AND 2000),
    version integer NOT NULL DEFAULT 1,
    CHECK (num_nonnulls(payout_id, held_member_id, account_id) = 1),
    CHECK (held_member_id IS NULL OR held_member_id = member_id),
    CHECK (num_nonnulls(lifted_by, lifted_at, lift_reason) IN (0, 3))
);
CREATE INDEX payout_hold_payout ON payout_hold (payout_id);
CREATE INDEX payout_hold_held_member ON payout_hold (held_member_id);
CREATE INDEX payout_hold_account ON payout_hold (account_id);
CREATE INDEX payout_hold_member ON payout_hold (member_id, id);
CREATE INDEX payout_hold_active ON payout_hold (id) WHERE lifted_at IS NULL;
CREATE INDEX payout_hold_placed_by ON payout_hold (placed_by);
CREATE INDEX payout_hold_lifted_by ON payout_hold (lifted_by);
CREATE TRIGGER version BEFORE UPDATE ON payout_hold FOR EACH ROW EXECUTE FUNCTION step_version();
ALTER TABLE payout_hold ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON payout_hold USING (umbel_owns(member_id));

CREATE FUNCTION guard_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.lifted_at IS NOT NULL THEN
        RAISE EXCEPTION 'a hold is lifted once' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_hold_lifted_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_hold BEFORE UPDATE ON payout_hold FOR EACH ROW EXECUTE FUNCTION guard_hold();

CREATE FUNCTION is_payout_held(p_payout uuid, p_member uuid, p_account uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM payout_hold h WHERE h.lifted_at IS NULL AND h.payout_id = p_payout)
        OR EXISTS (SELECT FROM payout_hold h WHERE h.lifted_at IS NULL AND h.held_member_id = p_member)
        OR EXISTS (SELECT FROM payout_hold h JOIN payee_account held ON held.id = h.account_id
                   JOIN payee_account a ON a.iban_index = held.iban_index
                   WHERE h.lifted_at IS NULL AND a.id = p_account)
$$;
GRANT EXECUTE ON FUNCTION is_payout_held TO umbel_app;

-- Neither approved, nor gathered, nor released while it waits. Taken out of a batch, it may always be.
CREATE FUNCTION guard_payout_hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (OLD.state, NEW.state) IN (('requested', 'approved'), ('approved', 'batched'), ('batched', 'released'))
       AND EXISTS (SELECT FROM payout_hold WHERE lifted_at IS NULL) AND is_payout_held(NEW.id, NEW.member_id, NEW.payee_account_id) THEN
        RAISE EXCEPTION 'payout % is on hold', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_on_hold';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout_hold BEFORE UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION guard_payout_hold();

CREATE FUNCTION guard_batch_hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state IN ('sealed', 'approved', 'released') AND OLD.state <> NEW.state AND EXISTS (SELECT FROM payout_hold WHERE lifted_at IS NULL)
       AND EXISTS (SELECT FROM payout p WHERE p.batch_id = NEW.id AND is_payout_held(p.id, p.member_id, p.payee_account_id)) THEN
        RAISE EXCEPTION 'a payout of batch % is on hold', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_on_hold';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_batch_hold BEFORE UPDATE ON payout_batch FOR EACH ROW EXECUTE FUNCTION guard_batch_hold();

-- How much may be paid out, from a day on. Less is one person's decision, more is that of two.
-- In which order limits came into force: two of one day are told apart by it.
CREATE SEQUENCE payout_limit_rank;
CREATE TABLE payout_limit (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    kind text NOT NULL CHECK (kind IN ('payout', 'member_day', 'member_30_days', 'entity_day', 'entity_30_days', 'approver_day')),
    -- Of this person alone; without one, of everybody.
    person_id uuid REFERENCES person CHECK (person_id IS NULL OR kind NOT IN ('entity_day', 'entity_30_days')),
    amount_minor bigint CHECK (amount_minor >= 0),
    currency char(3) NOT NULL REFERENCES currency,
    valid_from date NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    is_looser boolean NOT NULL DEFAULT true,
    rank bigint NOT NULL DEFAULT 0,
    decided_by uuid NOT NULL REFERENCES person CONSTRAINT payout_limit_not_own CHECK (decided_by IS DISTINCT FROM person_id),
    confirmed_by uuid REFERENCES person
        CONSTRAINT payout_limit_by_two CHECK (confirmed_by IS NULL OR (confirmed_by <> decided_by AND confirmed_by IS DISTINCT FROM person_id)),
    confirmed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL))
);
CREATE INDEX payout_limit_entity ON payout_limit (entity_id, kind, valid_from);
CREATE INDEX payout_limit_person ON payout_limit (person_id);
CREATE INDEX payout_limit_decided_by ON payout_limit (decided_by);
CREATE INDEX payout_limit_confirmed_by ON payout_limit (confirmed_by);
CREATE TRIGGER version BEFORE UPDATE ON payout_limit FOR EACH ROW EXECUTE FUNCTION step_version();
ALTER TABLE payout_limit ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON payout_limit USING (umbel_sees_all());

-- The limit of a kind on a day: that of everybody, or the person's own where it is lower or was widened by two people.
CREATE FUNCTION payout_limit_on(p_entity uuid, p_kind text, p_person uuid, p_currency text, p_day date) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN own.confirmed_by IS NOT NULL THEN own.amount_minor ELSE least(own.amount_minor, everybody.amount_minor) END
    FROM (SELECT) one
    LEFT JOIN LATERAL (
        SELECT l.* FROM payout_limit l
        WHERE l.entity_id = p_entity AND l.kind = p_kind AND l.person_id = p_person AND l.currency = p_currency AND l.valid_from <= p_day
          AND (NOT l.is_looser OR l.confirmed_by IS NOT NULL)
        ORDER BY l.valid_from DESC, l.rank DESC LIMIT 1) own ON true
    LEFT JOIN LATERAL (
        SELECT l.* FROM payout_limit l
        WHERE l.entity_id = p_entity AND l.kind = p_kind AND l.person_id IS NULL AND l.currency = p_currency AND l.valid_from <= p_day
          AND (NOT l.is_looser OR l.confirmed_by IS NOT NULL)
        ORDER BY l.valid_from DESC, l.rank DESC LIMIT 1) everybody ON true
$$;
GRANT EXECUTE ON FUNCTION payout_limit_on TO umbel_app;

-- Whether a limit is looser than what held is not for the writer to say; and a later decision is not undercut by an
-- earlier day.
CREATE FUNCTION guard_payout_limit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    held bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('payout limits ' || NEW.entity_id, 0));
    NEW.rank := nextval('payout_limit_rank');
    IF TG_OP = 'INSERT' THEN
        held := payout_limit_on(NEW.entity_id, NEW.kind, NEW.person_id, NEW.currency::text, NEW.valid_from);
        NEW.is_looser := held IS NOT NULL AND (NEW.amount_minor IS NULL OR NEW.amount_minor > held);
    ELSIF OLD.confirmed_by IS NOT NULL OR NOT OLD.is_looser THEN
        RAISE EXCEPTION 'a limit is confirmed once' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_limit_once';
    END IF;
    IF EXISTS (SELECT FROM payout_limit l
               WHERE (l.entity_id, l.kind, l.currency) = (NEW.entity_id, NEW.kind, NEW.currency) AND l.person_id IS NOT DISTINCT FROM NEW.person_id
                 AND l.valid_from > NEW.valid_from AND l.id <> NEW.id AND (NOT l.is_looser OR l.confirmed_by IS NOT NULL)) THEN
        RAISE EXCEPTION 'a later limit is decided already' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_limit_in_order';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout_limit BEFORE INSERT OR UPDATE ON payout_limit FOR EACH ROW EXECUTE FUNCTION guard_payout_limit();

-- What is used of each limit that some payouts fall under, themselves included: by when they were reviewed, or sealed.
CREATE FUNCTION payout_limit_use(p_entity uuid, p_currency text, p_payouts uuid[], p_sealed boolean, p_day date, p_day_start timestamptz)
RETURNS TABLE (kind text, person_id uuid, used_minor bigint, limit_minor bigint) LANGUAGE sql STABLE AS $$
    WITH mine AS (SELECT p.member_id, p.reviewed_by, p.amount_minor FROM payout p WHERE p.id = ANY (p_payouts)),
    moved AS (SELECT p.member_id, p.reviewed_by, p.amount_minor, CASE WHEN p_sealed THEN b.sealed_at ELSE p.reviewed_at END AS at
              FROM payout p LEFT JOIN payout_batch b ON b.id = p.batch_id
              WHERE p.entity_id = p_entity AND p.currency = p_currency AND p.state NOT IN ('requested', 'refused', 'cancelled')
                AND p.reviewed_at > umbel_now() - interval '400 days'
                AND CASE WHEN p_sealed THEN b.sealed_at ELSE p.reviewed_at END > umbel_now() - interval '30 days'),
    members AS (SELECT m.member_id, coalesce(sum(v.amount_minor) FILTER (WHERE v.at >= p_day_start), 0) AS today, coalesce(sum(v.amount_minor), 0) AS month
                FROM (SELECT DISTINCT member_id FROM mine) m LEFT JOIN moved v ON v.member_id = m.member_id GROUP BY m.member_id),
    used (kind, person_id, amount) AS (
        SELECT 'payout', member_id, max(amount_minor) FROM mine GROUP BY member_id
        UNION ALL SELECT 'member_day', member_id, today FROM members
        UNION ALL SELECT 'member_30_days', member_id, month FROM members
        UNION ALL SELECT 'entity_day', NULL, coalesce(sum(amount_minor) FILTER (WHERE at >= p_day_start), 0) FROM moved
        UNION ALL SELECT 'entity_30_days', NULL, coalesce(sum(amount_minor), 0) FROM moved
        UNION ALL SELECT 'approver_day', r.reviewed_by, (SELECT sum(v.amount_minor) FROM moved v WHERE v.reviewed_by = r.reviewed_by AND v.at >= p_day_start)
                  FROM (SELECT DISTINCT reviewed_by FROM mine WHERE NOT p_sealed) r)
    SELECT u.kind, u.person_id, u.amount::bigint, l.amount
    FROM used u CROSS JOIN LATERAL (SELECT payout_limit_on(p_entity, u.kind, u.person_id, p_currency, p_day) AS amount) l
    WHERE l.amount IS NOT NULL AND u.amount IS NOT NULL
    ORDER BY u.amount <= l.amount, u.kind, u.person_id
$$;
GRANT EXECUTE ON FUNCTION payout_limit_use TO umbel_app;
CREATE INDEX payout_reviewed_at ON payout (entity_id, reviewed_at);

GRANT SELECT, INSERT, UPDATE (lifted_by, lifted_at, lift_reason) ON payout_hold TO umbel_app;
GRANT SELECT, INSERT (id, entity_id, kind, person_id, amount_minor, currency, valid_from, reason, decided_by), UPDATE (confirmed_by, confirmed_at) ON payout_limit TO umbel_app;
