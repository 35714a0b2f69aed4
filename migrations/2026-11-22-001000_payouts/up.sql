-- Money from an activity to a person: requested, reviewed, batched, sealed, approved over the hash, released once.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('payout', '', 'requested'), ('payout', 'requested', 'approved'), ('payout', 'requested', 'refused'),
    ('payout', 'requested', 'cancelled'), ('payout', 'approved', 'cancelled'), ('payout', 'approved', 'batched'),
    ('payout', 'batched', 'approved'), ('payout', 'batched', 'released'), ('payout', 'released', 'settled'),
    ('payout', 'settled', 'returned'),
    ('batch', '', 'open'), ('batch', 'open', 'sealed'), ('batch', 'open', 'dissolved'), ('batch', 'sealed', 'open'),
    ('batch', 'sealed', 'approved'), ('batch', 'approved', 'open'), ('batch', 'approved', 'released');

CREATE TABLE payout_batch (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    bank_account_id uuid NOT NULL REFERENCES entity_bank_account,
    state text NOT NULL DEFAULT 'open',
    currency char(3) NOT NULL REFERENCES currency,
    execute_on date NOT NULL,
    message_id text CONSTRAINT payout_batch_message_unique UNIQUE CHECK (length(message_id) <= 35),
    payout_count integer,
    control_sum_minor bigint,
    file_id uuid REFERENCES archived_file,
    sha256 bytea CHECK (octet_length(sha256) = 32),
    built_by uuid NOT NULL REFERENCES person,
    sealed_by uuid REFERENCES person,
    sealed_at timestamptz,
    released_by uuid REFERENCES person,
    released_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK (state IN ('open', 'dissolved') = (sha256 IS NULL)),
    CHECK ((sha256 IS NULL) = (file_id IS NULL) AND (sha256 IS NULL) = (sealed_by IS NULL) AND (sha256 IS NULL) = (payout_count IS NULL)
           AND (sha256 IS NULL) = (control_sum_minor IS NULL) AND (sha256 IS NULL) = (message_id IS NULL)),
    CHECK ((state = 'released') = (released_by IS NOT NULL))
);
CREATE INDEX payout_batch_state ON payout_batch (state, id);
CREATE INDEX payout_batch_entity ON payout_batch (entity_id);
CREATE INDEX payout_batch_account ON payout_batch (bank_account_id);
CREATE INDEX payout_batch_file ON payout_batch (file_id);
CREATE INDEX payout_batch_built_by ON payout_batch (built_by);
CREATE INDEX payout_batch_sealed_by ON payout_batch (sealed_by);
CREATE INDEX payout_batch_released_by ON payout_batch (released_by);

CREATE TABLE payout (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL,
    scheme text NOT NULL CHECK (scheme IN ('plain_transfer')),
    state text NOT NULL DEFAULT 'requested',
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency char(3) NOT NULL REFERENCES currency,
    -- The account as it was when a reviewer approved the payout; the file is written from this, not from the profile.
    payee_account_id uuid REFERENCES payee_account,
    -- Made with the payout, long before a file exists, and unique for ever.
    end_to_end_id text NOT NULL CONSTRAINT payout_end_to_end_unique UNIQUE CHECK (end_to_end_id ~ '^[A-Z0-9]{1,35}$'),
    batch_id uuid REFERENCES payout_batch,
    requested_by uuid NOT NULL REFERENCES person,
    reviewed_by uuid REFERENCES person CONSTRAINT payout_reviewer_is_another CHECK (reviewed_by <> member_id),
    reviewed_at timestamptz,
    reason text CHECK (length(reason) <= 2000),
    settled_on date,
    returned_on date,
    return_reason text CHECK (length(return_reason) <= 400),
    desk_owner_id uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK (state NOT IN ('approved', 'batched', 'released', 'settled', 'returned')
           OR (reviewed_by IS NOT NULL AND payee_account_id IS NOT NULL)),
    CHECK ((state IN ('batched', 'released', 'settled', 'returned')) = (batch_id IS NOT NULL)),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id)
);
CREATE INDEX payout_member ON payout (member_id, id);
CREATE INDEX payout_activity ON payout (member_id, activity_id);
CREATE INDEX payout_state ON payout (state, created_at, id);
CREATE INDEX payout_batch_items ON payout (batch_id);
CREATE INDEX payout_entity ON payout (entity_id);
CREATE INDEX payout_account ON payout (payee_account_id);
CREATE INDEX payout_requested_by ON payout (requested_by);
CREATE INDEX payout_reviewed_by ON payout (reviewed_by);
CREATE INDEX payout_desk_owner ON payout (desk_owner_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION guard_state('payout', 'member_id');

CREATE TABLE batch_approval (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id uuid NOT NULL REFERENCES payout_batch,
    approver_id uuid NOT NULL REFERENCES person,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX batch_approval_batch ON batch_approval (batch_id);
CREATE INDEX batch_approval_approver ON batch_approval (approver_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON batch_approval FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What leaves for the bank is frozen from the seal on; a payout joins or leaves only an open batch.
CREATE FUNCTION guard_payout() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF OLD.batch_id IS DISTINCT FROM NEW.batch_id AND EXISTS (
        SELECT FROM payout_batch WHERE id IN (OLD.batch_id, NEW.batch_id) AND state <> 'open') THEN
        RAISE EXCEPTION 'a sealed batch cannot be edited' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_sealed';
    END IF;
    IF (OLD.amount_minor, OLD.currency, OLD.member_id, OLD.activity_id, OLD.end_to_end_id, OLD.entity_id)
       IS DISTINCT FROM (NEW.amount_minor, NEW.currency, NEW.member_id, NEW.activity_id, NEW.end_to_end_id, NEW.entity_id) THEN
        RAISE EXCEPTION 'the facts of a payout never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF OLD.state <> 'requested' AND OLD.payee_account_id IS DISTINCT FROM NEW.payee_account_id THEN
        RAISE EXCEPTION 'the account of an approved payout never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF NEW.state = 'released' AND OLD.state <> 'released' AND NOT EXISTS (
        SELECT FROM payout_batch WHERE id = NEW.batch_id AND state = 'released') THEN
        RAISE EXCEPTION 'a payout is released with its batch' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_release_with_batch';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout BEFORE UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION guard_payout();

-- Four eyes: not who sealed, not who is paid, and over exactly these bytes.
CREATE FUNCTION guard_approval() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    batch payout_batch%ROWTYPE;
BEGIN
    SELECT * INTO batch FROM payout_batch WHERE id = NEW.batch_id FOR UPDATE;
    IF batch.state <> 'sealed' OR batch.sha256 IS DISTINCT FROM NEW.sha256 THEN
        RAISE EXCEPTION 'approved bytes are not the sealed bytes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_over_sealed_bytes';
    END IF;
    IF NEW.approver_id IN (batch.sealed_by, batch.built_by)
       OR EXISTS (SELECT FROM payout WHERE batch_id = NEW.batch_id AND member_id = NEW.approver_id) THEN
        RAISE EXCEPTION 'an approver neither seals nor is paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_by_another';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_approval BEFORE INSERT ON batch_approval FOR EACH ROW EXECUTE FUNCTION guard_approval();

CREATE FUNCTION guard_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
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
        SELECT count(*) AS n, coalesce(sum(amount_minor), 0) AS total INTO items FROM payout WHERE batch_id = NEW.id;
        IF items.n = 0 OR items.n <> NEW.payout_count OR items.total <> NEW.control_sum_minor
           OR NOT EXISTS (SELECT FROM archived_file f WHERE f.id = NEW.file_id AND f.sha256 = NEW.sha256 AND f.subject_id = NEW.id) THEN
            RAISE EXCEPTION 'the seal of batch % does not fit its payouts', NEW.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_seal_fits';
        END IF;
        IF EXISTS (SELECT FROM payout WHERE batch_id = NEW.id AND member_id = NEW.sealed_by) THEN
            RAISE EXCEPTION 'who seals is not paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_by_another';
        END IF;
    END IF;
    -- An approval counts only if it came after this very seal.
    IF NEW.state IN ('approved', 'released') AND NOT EXISTS (
        SELECT FROM batch_approval a WHERE a.batch_id = NEW.id AND a.sha256 = NEW.sha256 AND a.at >= NEW.sealed_at
          AND a.approver_id NOT IN (NEW.sealed_by, NEW.built_by)) THEN
        RAISE EXCEPTION 'batch % is not approved by another person', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_needs_approval';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_batch BEFORE UPDATE ON payout_batch FOR EACH ROW EXECUTE FUNCTION guard_batch();
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON payout_batch FOR EACH ROW EXECUTE FUNCTION guard_state('batch', 'no_owner');

INSERT INTO ledger_source (kind, source_table) VALUES ('payout', 'payout');
INSERT INTO ledger_event (event, source_kind) VALUES
    ('payout_reserved', 'payout'), ('payout_cancelled', 'payout'), ('payout_released', 'payout'),
    ('payout_settled', 'payout'), ('payout_returned', 'payout');

ALTER TABLE payout ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON payout USING (umbel_owns(member_id));
ALTER TABLE payout_batch ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON payout_batch USING (umbel_sees_all());
ALTER TABLE batch_approval ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON batch_approval USING (umbel_sees_all());

GRANT SELECT, INSERT, UPDATE ON payout, payout_batch TO umbel_app;
GRANT SELECT, INSERT ON batch_approval TO umbel_app;
