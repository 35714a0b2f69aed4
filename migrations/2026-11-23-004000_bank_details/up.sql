-- Another account to be paid to: asked for with a fresh proof, told to every old address, payable after a cooling time.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('bank_detail_change', '', 'requested'), ('bank_detail_change', 'requested', 'cooling'),
    ('bank_detail_change', 'requested', 'cancelled'), ('bank_detail_change', 'requested', 'refused'),
    ('bank_detail_change', 'cooling', 'active'), ('bank_detail_change', 'cooling', 'cancelled'),
    ('bank_detail_change', 'cooling', 'refused');

-- Every address of mail and telephone number that a person had, and when a password was set: who takes an account over
-- changes these first.
CREATE TABLE contact_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    kind text NOT NULL CHECK (kind IN ('email', 'phone', 'password')),
    value text CHECK (length(value) BETWEEN 1 AND 254),
    -- What somebody begins with is no change.
    is_first boolean NOT NULL,
    at timestamptz NOT NULL DEFAULT umbel_now(),
    CHECK ((kind = 'password') = (value IS NULL))
);
CREATE INDEX contact_change_person ON contact_change (person_id, kind, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON contact_change FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON contact_change EXECUTE FUNCTION refuse_change();
ALTER TABLE contact_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON contact_change USING (umbel_owns(person_id));

-- Whoever writes these rows: whether something is the first, and when it was, is not for the writer to say.
CREATE FUNCTION date_contact() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    NEW.at := umbel_now();
    NEW.is_first := NOT EXISTS (SELECT FROM contact_change c WHERE c.person_id = NEW.person_id AND c.kind = NEW.kind);
    RETURN NEW;
END $$;

CREATE FUNCTION keep_contact() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'application' THEN
        IF NEW.phone IS NOT NULL AND (TG_OP = 'INSERT' OR OLD.phone IS DISTINCT FROM NEW.phone) THEN
            INSERT INTO contact_change (person_id, kind, value) VALUES (NEW.person_id, 'phone', NEW.phone);
        END IF;
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' OR OLD.email IS DISTINCT FROM NEW.email THEN
        INSERT INTO contact_change (person_id, kind, value) VALUES (NEW.id, 'email', NEW.email::text);
    END IF;
    IF TG_OP = 'INSERT' OR OLD.password_hash IS DISTINCT FROM NEW.password_hash THEN
        INSERT INTO contact_change (person_id, kind) VALUES (NEW.id, 'password');
    END IF;
    RETURN NULL;
END $$;

INSERT INTO contact_change (person_id, kind, value, is_first, at) SELECT id, 'email', email::text, true, created_at FROM person ORDER BY created_at;
INSERT INTO contact_change (person_id, kind, is_first, at) SELECT id, 'password', true, created_at FROM person ORDER BY created_at;
INSERT INTO contact_change (person_id, kind, value, is_first, at)
    SELECT DISTINCT ON (person_id) person_id, 'phone', phone, true, created_at FROM application WHERE phone <> '' ORDER BY person_id, created_at;
CREATE TRIGGER date_contact BEFORE INSERT ON contact_change FOR EACH ROW EXECUTE FUNCTION date_contact();
CREATE TRIGGER keep_contact AFTER INSERT OR UPDATE ON person FOR EACH ROW EXECUTE FUNCTION keep_contact();
CREATE TRIGGER keep_contact AFTER INSERT OR UPDATE ON application FOR EACH ROW EXECUTE FUNCTION keep_contact();

-- How long an entity lets a new account wait, from a day on. Never less than three days.
CREATE TABLE bank_detail_policy (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    valid_from date NOT NULL,
    cooling_hours integer NOT NULL CONSTRAINT bank_detail_cooling_range CHECK (cooling_hours BETWEEN 72 AND 720),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT bank_detail_policy_day_unique UNIQUE (entity_id, valid_from)
);
CREATE INDEX bank_detail_policy_decided_by ON bank_detail_policy (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_detail_policy FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE bank_detail_change (
    id uuid PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES member,
    entity_id uuid NOT NULL REFERENCES entity,
    state text NOT NULL DEFAULT 'requested',
    old_account_id uuid REFERENCES payee_account,
    -- The account that it becomes when it is active; the IBAN is sealed for that row.
    new_account_id uuid NOT NULL CONSTRAINT bank_detail_account_once UNIQUE,
    holder text NOT NULL CHECK (length(holder) BETWEEN 1 AND 70),
    iban_sealed bytea NOT NULL,
    iban_index bytea NOT NULL CHECK (octet_length(iban_index) = 32),
    iban_country char(2) NOT NULL,
    iban_last4 char(4) NOT NULL,
    -- Which proof was fresh, on which device.
    proof text NOT NULL CHECK (proof ~ '^[a-z_]{1,20}$'),
    session_id uuid NOT NULL REFERENCES session,
    address text NOT NULL CHECK (length(address) <= 64),
    cooling_hours integer NOT NULL CHECK (cooling_hours BETWEEN 72 AND 720),
    -- What the cancel code of the notices is made with, and the hash by which it is found; used up when it ends.
    code_salt bytea NOT NULL CHECK (octet_length(code_salt) = 32),
    code_hash bytea CONSTRAINT bank_detail_code_unique UNIQUE CHECK (octet_length(code_hash) = 32),
    requested_at timestamptz NOT NULL DEFAULT umbel_now(),
    reminded_at timestamptz,
    ended_at timestamptz,
    ended_by uuid REFERENCES person,
    ended_how text CHECK (ended_how IN ('time', 'call_back', 'code', 'member', 'office')),
    reason text CHECK (length(reason) BETWEEN 1 AND 2000),
    version integer NOT NULL DEFAULT 1,
    CHECK ((state IN ('active', 'cancelled', 'refused')) = (ended_at IS NOT NULL)),
    CHECK ((ended_at IS NULL) = (ended_how IS NULL) AND (ended_at IS NULL) = (code_hash IS NOT NULL)),
    CHECK ((state = 'refused') = (reason IS NOT NULL)),
    CONSTRAINT bank_detail_refused_by_another CHECK (state <> 'refused' OR (ended_by IS NOT NULL AND ended_by <> member_id))
);
CREATE UNIQUE INDEX bank_detail_one_open ON bank_detail_change (member_id) WHERE state IN ('requested', 'cooling');
CREATE INDEX bank_detail_member ON bank_detail_change (member_id, id);
CREATE INDEX bank_detail_entity ON bank_detail_change (entity_id, id);
CREATE INDEX bank_detail_state ON bank_detail_change (state, id);
CREATE INDEX bank_detail_old_account ON bank_detail_change (old_account_id);
CREATE INDEX bank_detail_index ON bank_detail_change (iban_index);
CREATE INDEX bank_detail_session ON bank_detail_change (session_id);
CREATE INDEX bank_detail_ended_by ON bank_detail_change (ended_by);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON bank_detail_change FOR EACH ROW EXECUTE FUNCTION guard_state('bank_detail_change', 'member_id');
ALTER TABLE bank_detail_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON bank_detail_change USING (umbel_owns(member_id));

-- The urgent path: one person of the office calls a number that the member has had for a while, another one confirms.
CREATE TABLE bank_detail_callback (
    id uuid PRIMARY KEY,
    change_id uuid NOT NULL CONSTRAINT bank_detail_callback_once UNIQUE REFERENCES bank_detail_change,
    member_id uuid NOT NULL REFERENCES member,
    phone text NOT NULL CHECK (length(phone) BETWEEN 3 AND 40),
    note text NOT NULL CHECK (length(note) BETWEEN 1 AND 2000),
    recorded_by uuid NOT NULL REFERENCES person CONSTRAINT bank_detail_callback_by_staff CHECK (recorded_by <> member_id),
    recorded_at timestamptz NOT NULL DEFAULT umbel_now(),
    confirmed_by uuid REFERENCES person
        CONSTRAINT bank_detail_callback_by_two CHECK (confirmed_by <> recorded_by AND confirmed_by <> member_id),
    confirmed_at timestamptz,
    CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL))
);
CREATE INDEX bank_detail_callback_member ON bank_detail_callback (member_id);
CREATE INDEX bank_detail_callback_recorded_by ON bank_detail_callback (recorded_by);
CREATE INDEX bank_detail_callback_confirmed_by ON bank_detail_callback (confirmed_by);
ALTER TABLE bank_detail_callback ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON bank_detail_callback USING (umbel_owns(member_id));

CREATE FUNCTION guard_callback() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    change bank_detail_change%ROWTYPE;
BEGIN
    SELECT * INTO change FROM bank_detail_change WHERE id = NEW.change_id FOR UPDATE;
    IF change.state <> 'cooling' OR change.member_id <> NEW.member_id
       OR (TG_OP = 'UPDATE' AND (OLD.confirmed_by IS NOT NULL
           OR (OLD.change_id, OLD.phone, OLD.recorded_by) IS DISTINCT FROM (NEW.change_id, NEW.phone, NEW.recorded_by))) THEN
        RAISE EXCEPTION 'a call-back is about an open change, and confirmed once'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_detail_callback_fits';
    END IF;
    IF NOT EXISTS (SELECT FROM contact_change c
                   WHERE c.person_id = NEW.member_id AND c.kind = 'phone' AND c.at <= umbel_now() - interval '30 days'
                     AND regexp_replace(c.value, '[^0-9]', '', 'g') = regexp_replace(NEW.phone, '[^0-9]', '', 'g')) THEN
        RAISE EXCEPTION 'this number is not one that the member has had for 30 days'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_detail_callback_number';
    END IF;
    -- Who is paid to the same account has an interest.
    IF EXISTS (SELECT FROM payee_account a WHERE a.person_id IN (NEW.recorded_by, NEW.confirmed_by) AND a.iban_index = change.iban_index) THEN
        RAISE EXCEPTION 'the account is that of the caller' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_detail_callback_interest';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_callback BEFORE INSERT OR UPDATE ON bank_detail_callback FOR EACH ROW EXECUTE FUNCTION guard_callback();

-- What the member's bank says about the name (verification of payee).
CREATE TABLE bank_detail_name_check (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    change_id uuid NOT NULL REFERENCES bank_detail_change,
    member_id uuid NOT NULL REFERENCES member,
    outcome text NOT NULL CHECK (outcome IN ('match', 'close_match', 'no_match', 'not_available', 'unknown')),
    name text CHECK (length(name) BETWEEN 1 AND 140),
    at timestamptz NOT NULL DEFAULT umbel_now(),
    CHECK (name IS NULL OR outcome = 'close_match')
);
CREATE INDEX bank_detail_name_check_change ON bank_detail_name_check (change_id, id);
CREATE INDEX bank_detail_name_check_member ON bank_detail_name_check (member_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_detail_name_check FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE bank_detail_name_check ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON bank_detail_name_check USING (umbel_owns(member_id));

-- From when on a change may be active: after its hours, and as many after the last change of a password, an address or
-- a number; with a call-back that two people stand for, at once.
CREATE FUNCTION bank_detail_due(p_change uuid) RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(
        (SELECT k.confirmed_at FROM bank_detail_callback k WHERE k.change_id = c.id AND k.confirmed_by IS NOT NULL),
        greatest(c.requested_at, (SELECT max(o.at) FROM contact_change o WHERE o.person_id = c.member_id AND NOT o.is_first))
            + make_interval(hours => c.cooling_hours))
    FROM bank_detail_change c WHERE c.id = p_change
$$;
GRANT EXECUTE ON FUNCTION bank_detail_due TO umbel_app;

CREATE FUNCTION guard_bank_detail_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL
       OR (OLD.member_id, OLD.entity_id, OLD.new_account_id, OLD.holder, OLD.iban_sealed, OLD.iban_index, OLD.cooling_hours, OLD.requested_at)
          IS DISTINCT FROM (NEW.member_id, NEW.entity_id, NEW.new_account_id, NEW.holder, NEW.iban_sealed, NEW.iban_index, NEW.cooling_hours, NEW.requested_at) THEN
        RAISE EXCEPTION 'what was asked for never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_detail_frozen';
    END IF;
    IF NEW.state = 'active' AND OLD.state <> 'active' AND bank_detail_due(NEW.id) > umbel_now() THEN
        RAISE EXCEPTION 'the cooling time is not over' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_detail_cooling';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_bank_detail_change BEFORE UPDATE ON bank_detail_change FOR EACH ROW EXECUTE FUNCTION guard_bank_detail_change();

-- An account that came by such a change was verified by time, by the person who asked and by the notices.
ALTER TABLE payee_account ADD COLUMN change_id uuid CONSTRAINT payee_account_change_once UNIQUE REFERENCES bank_detail_change;
ALTER TABLE payee_account DROP CONSTRAINT payee_account_check;
ALTER TABLE payee_account ADD CONSTRAINT payee_account_verified_how
    CHECK ((verified_at IS NULL) = (verified_by IS NULL AND change_id IS NULL) AND (verified_by IS NULL OR change_id IS NULL));

CREATE FUNCTION guard_payee_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.change_id IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM bank_detail_change c
                       WHERE c.id = NEW.change_id AND c.state = 'active' AND c.new_account_id = NEW.id
                         AND (c.member_id, c.holder, c.iban_sealed, c.iban_index) = (NEW.person_id, NEW.holder, NEW.iban_sealed, NEW.iban_index)) THEN
            RAISE EXCEPTION 'this account is not what was asked for' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payee_account_by_change';
        END IF;
    ELSIF EXISTS (SELECT FROM member m WHERE m.id = NEW.person_id)
          AND EXISTS (SELECT FROM payee_account a WHERE a.person_id = NEW.person_id) THEN
        RAISE EXCEPTION 'the account of a member changes only by their own request' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payee_account_by_change';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payee_account BEFORE INSERT ON payee_account FOR EACH ROW EXECUTE FUNCTION guard_payee_account();

-- Whatever the program says: nothing goes to an account that was asked for less than three days ago.
CREATE FUNCTION guard_payout_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state IN ('approved', 'batched', 'released') AND EXISTS (
        SELECT FROM payee_account a JOIN bank_detail_change c ON c.id = a.change_id
        WHERE a.id = NEW.payee_account_id AND c.requested_at > umbel_now() - interval '72 hours'
          AND NOT EXISTS (SELECT FROM bank_detail_callback k WHERE k.change_id = c.id AND k.confirmed_by IS NOT NULL)) THEN
        RAISE EXCEPTION 'the account of payout % is too young', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_account_too_young';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout_account BEFORE INSERT OR UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION guard_payout_account();

CREATE VIEW invariant_i32_accounts_cooled WITH (security_invoker = true) AS
SELECT p.id::text AS subject, format('reviewed %s, account asked for %s', p.reviewed_at, c.requested_at) AS detail
FROM payout p JOIN payee_account a ON a.id = p.payee_account_id JOIN bank_detail_change c ON c.id = a.change_id
WHERE p.reviewed_at < c.requested_at + interval '72 hours'
  AND NOT EXISTS (SELECT FROM bank_detail_callback k WHERE k.change_id = c.id AND k.confirmed_at <= p.reviewed_at AND k.confirmed_by <> k.recorded_by)
UNION ALL
SELECT c.id::text, format('active %s, asked for %s', c.ended_at, c.requested_at)
FROM bank_detail_change c
WHERE c.state = 'active' AND c.ended_at < c.requested_at + interval '72 hours'
  AND NOT EXISTS (SELECT FROM bank_detail_callback k WHERE k.change_id = c.id AND k.confirmed_at <= c.ended_at AND k.confirmed_by <> k.recorded_by);
GRANT SELECT ON invariant_i32_accounts_cooled TO umbel_app;

GRANT SELECT, INSERT (person_id, kind, value) ON contact_change TO umbel_app;
GRANT SELECT, INSERT ON bank_detail_policy, bank_detail_name_check TO umbel_app;
GRANT SELECT, INSERT, UPDATE (state, code_hash, reminded_at, ended_at, ended_by, ended_how, reason) ON bank_detail_change TO umbel_app;
GRANT SELECT, INSERT, UPDATE (confirmed_by, confirmed_at) ON bank_detail_callback TO umbel_app;
