-- What every room stands on: who acts, what time it is, states and their history, audit, idempotency,
-- the outbox, immutable files.

CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS btree_gist;

-- The role the running program works as. It owns nothing and migrates nothing.
-- Roles belong to the whole server, so another database may have made it already.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'umbel_app') THEN
        CREATE ROLE umbel_app NOLOGIN;
    END IF;
    -- Who the running program signs in as; it can become umbel_app and nothing else.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'umbel_login') THEN
        CREATE ROLE umbel_login LOGIN IN ROLE umbel_app;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'umbel_app', 'MEMBER') THEN
        EXECUTE format('GRANT umbel_app TO %I', current_user);
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO umbel_app;
-- The running program asks whether it fits the database.
DO $$
BEGIN
    IF to_regclass('public.__diesel_schema_migrations') IS NOT NULL THEN
        GRANT SELECT ON __diesel_schema_migrations TO umbel_app;
    END IF;
END $$;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The program's clock, so that a test or a demonstration can be on any day.
CREATE FUNCTION umbel_now() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT coalesce(nullif(current_setting('umbel.now', true), '')::timestamptz, clock_timestamp()) $$;

CREATE FUNCTION umbel_person() RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('umbel.person', true), '')::uuid $$;

CREATE FUNCTION umbel_request() RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('umbel.request', true), '')::uuid $$;

-- Staff and the program's own jobs see every row; anybody else sees their own.
CREATE FUNCTION umbel_sees_all() RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT coalesce(current_setting('umbel.scope', true), '') IN ('staff', 'system') $$;

CREATE FUNCTION umbel_owns(owner uuid) RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT umbel_sees_all() OR owner = umbel_person() $$;

GRANT EXECUTE ON FUNCTION umbel_now, umbel_person, umbel_request, umbel_sees_all, umbel_owns TO umbel_app;

CREATE TABLE currency (
    code char(3) PRIMARY KEY CHECK (code ~ '^[A-Z]{3}$'),
    exponent smallint NOT NULL CHECK (exponent BETWEEN 0 AND 3)
);
INSERT INTO currency VALUES ('EUR', 2), ('USD', 2), ('GBP', 2), ('CHF', 2), ('SEK', 2), ('DKK', 2), ('NOK', 2),
    ('PLN', 2), ('CZK', 2), ('HUF', 2), ('RON', 2), ('JPY', 0);

-- The declared moves of every state machine; the program's own tables are compared with these rows by a test.
CREATE TABLE state_transition (
    machine text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    PRIMARY KEY (machine, from_state, to_state)
);

CREATE TABLE state_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine text NOT NULL,
    subject_id uuid NOT NULL,
    owner_id uuid,
    from_state text,
    to_state text NOT NULL,
    reason text,
    actor_id uuid,
    request_id uuid,
    at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX state_history_subject ON state_history (subject_id, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation', CONSTRAINT = 'append_only';
END $$;

-- Guards a `state` column: only declared moves, one history row for each, one version step for each change.
-- Arguments: the machine, the column that names the owner.
CREATE FUNCTION guard_state() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    moved boolean := TG_OP = 'INSERT';
    before text := '';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD.state;
        moved := OLD.state IS DISTINCT FROM NEW.state;
        NEW.version := OLD.version + 1;
    END IF;
    IF moved THEN
        IF NOT EXISTS (SELECT FROM state_transition
                       WHERE machine = TG_ARGV[0] AND from_state = before AND to_state = NEW.state) THEN
            RAISE EXCEPTION '% may not go from % to %', TG_ARGV[0], before, NEW.state
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'state_transition_declared';
        END IF;
        INSERT INTO state_history (machine, subject_id, owner_id, from_state, to_state, reason, actor_id, request_id)
        VALUES (TG_ARGV[0], NEW.id, (to_jsonb(NEW) ->> TG_ARGV[1])::uuid, nullif(before, ''), NEW.state,
                nullif(current_setting('umbel.reason', true), ''), umbel_person(), umbel_request());
    END IF;
    RETURN NEW;
END $$;

-- Guards a `version` column of a row that has no states.
CREATE FUNCTION step_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;

CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT umbel_now(),
    actor_id uuid,
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'link', 'public', 'system')),
    operation text NOT NULL,
    subject_id uuid,
    request_id uuid,
    address text,
    detail jsonb
);
CREATE INDEX audit_log_subject ON audit_log (subject_id, id);
CREATE INDEX audit_log_actor ON audit_log (actor_id, id);

CREATE TABLE idempotency_key (
    actor text NOT NULL CHECK (length(actor) <= 100),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 100),
    operation text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint,
    body text,
    subject_id uuid,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (actor, key)
);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    subject_id uuid NOT NULL,
    payload jsonb NOT NULL,
    dedup_key text NOT NULL UNIQUE CHECK (length(dedup_key) <= 200),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'claimed', 'done', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    available_at timestamptz NOT NULL DEFAULT umbel_now(),
    claimed_by text,
    lease_until timestamptz,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    done_at timestamptz
);
CREATE INDEX outbox_due ON outbox (available_at, id) WHERE state IN ('pending', 'claimed');
CREATE INDEX outbox_waiting ON outbox (state) WHERE state <> 'done';

CREATE TABLE email_message (
    id uuid PRIMARY KEY,
    dedup_key text NOT NULL UNIQUE,
    message_id text NOT NULL UNIQUE,
    letter text NOT NULL,
    subject_id uuid NOT NULL,
    owner_id uuid,
    recipient text NOT NULL,
    language text NOT NULL CHECK (language IN ('fr', 'nl', 'en', 'de')),
    subject text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'refused', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    sent_at timestamptz
);
CREATE INDEX email_message_subject ON email_message (subject_id);
CREATE INDEX email_message_state ON email_message (state, id);

CREATE TABLE archived_file (
    id uuid PRIMARY KEY,
    owner_id uuid,
    kind text NOT NULL,
    subject_id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    media_type text NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    size bigint NOT NULL CHECK (size >= 0),
    bytes bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CHECK (octet_length(bytes) = size),
    CONSTRAINT archived_file_hash_is_its_own CHECK (sha256 = sha256(bytes))
);
CREATE INDEX archived_file_subject ON archived_file (subject_id, kind);
-- A document has one PDF and a batch one file: a second one would mean two truths.
CREATE UNIQUE INDEX archived_file_once ON archived_file (subject_id, kind) WHERE kind = 'invoice_pdf';

CREATE TABLE schedule_run (
    job text NOT NULL,
    entity_id uuid NOT NULL,
    logical_date date NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT umbel_now(),
    done integer NOT NULL DEFAULT 0,
    PRIMARY KEY (job, entity_id, logical_date)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON state_history FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON state_history EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit_log EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON archived_file FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON archived_file EXECUTE FUNCTION refuse_change();

ALTER TABLE state_history ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON state_history USING (umbel_owns(owner_id));
ALTER TABLE archived_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON archived_file USING (umbel_owns(owner_id));
ALTER TABLE email_message ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON email_message USING (umbel_owns(owner_id)) WITH CHECK (true);

GRANT SELECT ON currency, state_transition, state_history TO umbel_app;
GRANT SELECT, INSERT ON audit_log, archived_file, schedule_run TO umbel_app;
GRANT SELECT, INSERT, UPDATE ON idempotency_key, outbox, email_message TO umbel_app;
