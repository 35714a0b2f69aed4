-- A role of the office is asked for by one administrator and confirmed by another one; it counts a day later. Without
-- a second one it counts only while the mutual is being set up, and where the operator of the machine adds somebody.

ALTER TABLE role_grant
    -- Whether it counts only after another administrator confirmed it; PostgreSQL says so when it is asked for.
    ADD COLUMN needs_confirmation boolean NOT NULL DEFAULT false,
    ADD COLUMN confirmed_by uuid REFERENCES person,
    ADD COLUMN confirmed_at timestamptz,
    -- From this moment on it counts, within its days.
    ADD COLUMN effective_at timestamptz;

-- What was granted before was in force from its first moment.
ALTER TABLE role_grant DISABLE TRIGGER USER;
UPDATE role_grant SET effective_at = created_at;
ALTER TABLE role_grant ENABLE TRIGGER USER;

ALTER TABLE role_grant
    ADD CONSTRAINT role_grant_confirmed_by_another CHECK (confirmed_by <> granted_by AND confirmed_by <> person_id),
    ADD CONSTRAINT role_grant_confirmation CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL) AND (confirmed_by IS NULL OR needs_confirmation)),
    ADD CONSTRAINT role_grant_in_force CHECK ((effective_at IS NULL) = (needs_confirmation AND confirmed_by IS NULL)),
    ADD CONSTRAINT role_grant_waits CHECK (effective_at >= confirmed_at + interval '24 hours');
CREATE INDEX role_grant_confirmed_by ON role_grant (confirmed_by);
CREATE INDEX role_grant_waiting ON role_grant (id) WHERE effective_at IS NULL AND ended_by IS NULL;

-- How long a confirmed role waits, so that whoever is told has the time to end it.
CREATE FUNCTION role_grant_delay() RETURNS interval LANGUAGE sql IMMUTABLE AS $$ SELECT interval '24 hours' $$;

CREATE FUNCTION is_administrator(p_person uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM role_grant g
                   WHERE g.person_id = p_person AND g.role = 'administrator' AND g.effective_at <= umbel_now()
                     AND g.valid_from <= umbel_now()::date AND (g.valid_until IS NULL OR g.valid_until > umbel_now()::date))
$$;

-- While nobody beside the first administrator was ever one, and no money was ever sent. Both go one way only: ending the
-- second administrator's role does not bring this time back.
CREATE FUNCTION is_being_set_up() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT (SELECT count(DISTINCT g.person_id) FROM role_grant g WHERE g.role = 'administrator' AND g.effective_at IS NOT NULL) < 2
       AND NOT EXISTS (SELECT FROM payout_batch b WHERE b.released_at IS NOT NULL)
$$;

CREATE FUNCTION guard_grant_by_two() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.confirmed_by IS NOT NULL OR NEW.confirmed_at IS NOT NULL THEN
            RAISE EXCEPTION 'nobody confirms a role before it is asked for' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'role_grant_confirmed_later';
        END IF;
        -- Two at the same moment must not both be the last one of the first days.
        IF NEW.role <> 'member' THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('role grants', 0));
        END IF;
        NEW.needs_confirmation := NEW.role <> 'member' AND NEW.granted_by IS NOT NULL
            AND NOT (is_administrator(NEW.granted_by) AND is_being_set_up());
        NEW.effective_at := CASE WHEN NOT NEW.needs_confirmation THEN umbel_now() END;
        RETURN NEW;
    END IF;
    IF NEW.confirmed_by IS NULL AND OLD.confirmed_by IS NULL THEN
        NEW.confirmed_at := NULL;
        NEW.effective_at := OLD.effective_at;
        RETURN NEW;
    END IF;
    IF (OLD.confirmed_by, OLD.confirmed_at) IS NOT DISTINCT FROM (NEW.confirmed_by, NEW.confirmed_at) THEN
        NEW.effective_at := OLD.effective_at;
        RETURN NEW;
    END IF;
    IF OLD.confirmed_by IS NOT NULL OR NOT OLD.needs_confirmation OR OLD.ended_by IS NOT NULL THEN
        RAISE EXCEPTION 'a role is confirmed once' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'role_grant_confirmed_once';
    END IF;
    IF NOT is_administrator(NEW.confirmed_by) OR NEW.confirmed_by IS DISTINCT FROM coalesce(umbel_person(), NEW.confirmed_by) THEN
        RAISE EXCEPTION 'an administrator confirms a role, in their own name'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'role_grant_confirmed_by_administrator';
    END IF;
    NEW.confirmed_at := umbel_now();
    NEW.effective_at := umbel_now() + role_grant_delay();
    RETURN NEW;
END $$;
CREATE TRIGGER guard_grant_by_two BEFORE INSERT OR UPDATE ON role_grant FOR EACH ROW EXECUTE FUNCTION guard_grant_by_two();
GRANT UPDATE (confirmed_by, confirmed_at) ON role_grant TO umbel_app;

-- As before, but a role counts only from its moment on.
CREATE OR REPLACE FUNCTION umbel_enter(p_scope text, p_session uuid, p_generation integer, p_request uuid, p_now timestamptz)
RETURNS TABLE (person_id uuid, roles text[], person_name text, person_language text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    found_person uuid;
    confirmed integer;
BEGIN
    PERFORM set_config('umbel.now', p_now::text, true), set_config('umbel.request', coalesce(p_request::text, ''), true),
            set_config('umbel.scope', p_scope, true), set_config('umbel.person', '', true),
            set_config('umbel.reason', '', true);
    IF p_scope <> 'session' THEN
        RETURN;
    END IF;
    SELECT s.person_id, s.confirmed_generation INTO found_person, confirmed
    FROM session s
    WHERE s.id = p_session AND s.revoked_at IS NULL AND s.expires_at > p_now
      AND p_generation BETWEEN s.generation - 1 AND s.generation;
    IF found_person IS NULL THEN
        RETURN;
    END IF;
    IF confirmed < p_generation THEN
        UPDATE session SET confirmed_generation = p_generation WHERE id = p_session AND confirmed_generation < p_generation;
    END IF;
    PERFORM set_config('umbel.person', found_person::text, true);
    RETURN QUERY
        SELECT p.id,
               coalesce(array_agg(g.role ORDER BY g.role) FILTER (WHERE g.role IS NOT NULL), '{}'),
               p.name, p.language
        FROM person p
        LEFT JOIN role_grant g ON g.person_id = p.id AND g.valid_from <= p_now::date AND g.effective_at <= p_now
             AND (g.valid_until IS NULL OR g.valid_until > p_now::date)
        WHERE p.id = found_person
        GROUP BY p.id;
    PERFORM set_config('umbel.scope',
        CASE WHEN EXISTS (SELECT FROM role_grant g WHERE g.person_id = found_person AND g.role <> 'member'
                          AND g.valid_from <= p_now::date AND g.effective_at <= p_now
                          AND (g.valid_until IS NULL OR g.valid_until > p_now::date))
             THEN 'staff' ELSE 'own' END, true);
END $$;

-- Whoever has a second factor shows it, beside the password, before another account is asked for.
CREATE FUNCTION guard_bank_detail_proof() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.proof <> 'second_factor' AND EXISTS (SELECT FROM second_factor f WHERE f.person_id = NEW.member_id
                                                AND f.confirmed_at IS NOT NULL AND f.ended_at IS NULL) THEN
        RAISE EXCEPTION 'a password alone is not enough' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_detail_needs_second_factor';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_bank_detail_proof BEFORE INSERT ON bank_detail_change FOR EACH ROW EXECUTE FUNCTION guard_bank_detail_proof();
