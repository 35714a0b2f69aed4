-- People, their roles for a time, their signed-in devices, single-use links.

CREATE TABLE person (
    id uuid PRIMARY KEY,
    email citext NOT NULL CONSTRAINT person_email_unique UNIQUE CHECK (length(email) BETWEEN 3 AND 254),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    language text NOT NULL CHECK (language IN ('fr', 'nl', 'en', 'de')),
    password_hash text NOT NULL,
    email_verified_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1
);
CREATE TRIGGER version BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION step_version();

-- Failed attempts by address of mail, whether or not it belongs to anybody: the answer must not tell.
CREATE TABLE sign_in_failure (
    email_hash bytea PRIMARY KEY CHECK (octet_length(email_hash) = 32),
    failures integer NOT NULL,
    locked_until timestamptz NOT NULL
);

CREATE TABLE role_grant (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    role text NOT NULL CHECK (role IN ('member', 'reviewer', 'payout_approver', 'accountant', 'administrator')),
    valid_from date NOT NULL,
    valid_until date,
    -- Nobody grants themselves a role; only the program's own setup has no granter.
    granted_by uuid REFERENCES person CONSTRAINT role_grant_not_self CHECK (granted_by <> person_id),
    ended_by uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK (valid_until IS NULL OR valid_until >= valid_from),
    CONSTRAINT role_grant_no_overlap
        EXCLUDE USING gist (person_id WITH =, role WITH =, daterange(valid_from, valid_until, '[)') WITH &&)
);
CREATE TRIGGER version BEFORE UPDATE ON role_grant FOR EACH ROW EXECUTE FUNCTION step_version();
-- A role that ends is not prolonged: that would be granting it again without a granter.
CREATE FUNCTION guard_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.valid_until IS NOT NULL AND coalesce(NEW.valid_until > OLD.valid_until, true) THEN
        RAISE EXCEPTION 'a role ends once' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'role_grant_ends_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_grant BEFORE UPDATE ON role_grant FOR EACH ROW EXECUTE FUNCTION guard_grant();
CREATE INDEX role_grant_granted_by ON role_grant (granted_by);
CREATE INDEX role_grant_ended_by ON role_grant (ended_by);

CREATE TABLE session (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    device text NOT NULL CHECK (length(device) <= 200),
    address text NOT NULL CHECK (length(address) <= 64),
    -- The current generation of refresh tokens, and the newest that a client has shown to hold.
    generation integer NOT NULL DEFAULT 1,
    confirmed_generation integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    refreshed_at timestamptz NOT NULL DEFAULT umbel_now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text
);
CREATE INDEX session_person ON session (person_id);

CREATE TABLE refresh_token (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    session_id uuid NOT NULL REFERENCES session,
    generation integer NOT NULL,
    superseded_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX refresh_token_session ON refresh_token (session_id, generation);

-- A link in a mail: signed, for one purpose and one subject, for a limited time.
CREATE TABLE access_link (
    id uuid PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('confirm_email', 'reset_password', 'order')),
    subject_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX access_link_subject ON access_link (subject_id);

-- First statement of every transaction: says who acts, and bounds how long it may take.
-- A session that was revoked, or whose token is older than the last generation but one, is answered with no row.
CREATE FUNCTION umbel_enter(p_scope text, p_session uuid, p_generation integer, p_request uuid, p_now timestamptz)
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
        LEFT JOIN role_grant g ON g.person_id = p.id AND g.valid_from <= p_now::date
             AND (g.valid_until IS NULL OR g.valid_until > p_now::date)
        WHERE p.id = found_person
        GROUP BY p.id;
    PERFORM set_config('umbel.scope',
        CASE WHEN EXISTS (SELECT FROM role_grant g WHERE g.person_id = found_person AND g.role <> 'member'
                          AND g.valid_from <= p_now::date AND (g.valid_until IS NULL OR g.valid_until > p_now::date))
             THEN 'staff' ELSE 'own' END, true);
END $$;
GRANT EXECUTE ON FUNCTION umbel_enter TO umbel_app;

ALTER TABLE person ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON person USING (umbel_owns(id)) WITH CHECK (umbel_owns(id));
ALTER TABLE role_grant ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON role_grant USING (umbel_owns(person_id)) WITH CHECK (umbel_sees_all());
-- A person grants in their own name and to another; only membership follows from a fact and has no granter.
CREATE POLICY by_another ON role_grant AS RESTRICTIVE FOR INSERT WITH CHECK (umbel_person() IS NULL
    OR (person_id <> umbel_person() AND granted_by = umbel_person())
    OR (role = 'member' AND granted_by IS NULL));
ALTER TABLE session ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON session USING (umbel_owns(person_id)) WITH CHECK (umbel_owns(person_id));

GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_failure TO umbel_app;
GRANT SELECT, INSERT, UPDATE ON person, session, refresh_token, access_link TO umbel_app;
GRANT SELECT, INSERT, UPDATE (valid_until, ended_by) ON role_grant TO umbel_app;
