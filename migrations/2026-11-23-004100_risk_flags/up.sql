-- What somebody should look at before a payout leaves, and that they did.

-- From which device a payout was asked for: who takes a session over asks from another one.
CREATE TABLE payout_origin (
    payout_id uuid PRIMARY KEY REFERENCES payout,
    member_id uuid NOT NULL REFERENCES member,
    session_id uuid NOT NULL REFERENCES session,
    address text NOT NULL CHECK (length(address) <= 64),
    at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX payout_origin_member ON payout_origin (member_id);
CREATE INDEX payout_origin_session ON payout_origin (session_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payout_origin FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE payout_origin ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON payout_origin USING (umbel_owns(member_id));

CREATE TABLE risk_flag (
    id uuid PRIMARY KEY,
    payout_id uuid NOT NULL REFERENCES payout,
    code text NOT NULL CHECK (code ~ '^[a-z_]{1,40}$'),
    level text NOT NULL CHECK (level IN ('low', 'medium', 'high')),
    -- What the sentence says, and the addresses of the API where to look.
    facts jsonb NOT NULL CHECK (jsonb_typeof(facts) = 'object'),
    evidence jsonb NOT NULL CHECK (jsonb_typeof(evidence) = 'array'),
    at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT risk_flag_once UNIQUE (payout_id, code, level)
);
CREATE INDEX risk_flag_level ON risk_flag (level, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON risk_flag FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE risk_flag ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON risk_flag USING (umbel_sees_all());

-- Opened one by one, each by whoever is about to approve.
CREATE TABLE risk_flag_opening (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    flag_id uuid NOT NULL REFERENCES risk_flag,
    opened_by uuid NOT NULL REFERENCES person,
    note text NOT NULL CHECK (length(note) BETWEEN 1 AND 2000),
    at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT risk_flag_opening_once UNIQUE (flag_id, opened_by)
);
CREATE INDEX risk_flag_opening_opened_by ON risk_flag_opening (opened_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON risk_flag_opening FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE risk_flag_opening ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON risk_flag_opening USING (umbel_sees_all());

-- How serious an entity takes a kind of flag, from a day on. More serious is one person's decision, less is that of two.
CREATE TABLE risk_level (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    code text NOT NULL CHECK (code ~ '^[a-z_]{1,40}$'),
    level text NOT NULL CHECK (level IN ('off', 'low', 'medium', 'high')),
    -- What held before, as the decision found it.
    before text NOT NULL CHECK (before IN ('off', 'low', 'medium', 'high')),
    is_looser boolean NOT NULL GENERATED ALWAYS AS (
        array_position(ARRAY['off', 'low', 'medium', 'high'], level) < array_position(ARRAY['off', 'low', 'medium', 'high'], before)) STORED,
    valid_from date NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES person,
    confirmed_by uuid REFERENCES person CONSTRAINT risk_level_by_two CHECK (confirmed_by <> decided_by),
    confirmed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL))
);
CREATE UNIQUE INDEX risk_level_day ON risk_level (entity_id, code, valid_from) WHERE NOT is_looser OR confirmed_by IS NOT NULL;
CREATE INDEX risk_level_decided_by ON risk_level (decided_by);
CREATE INDEX risk_level_confirmed_by ON risk_level (confirmed_by);
CREATE TRIGGER version BEFORE UPDATE ON risk_level FOR EACH ROW EXECUTE FUNCTION step_version();

CREATE FUNCTION guard_flags_opened() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM payout p JOIN risk_flag f ON f.payout_id = p.id
               WHERE p.batch_id = NEW.batch_id AND f.level IN ('medium', 'high')
                 AND NOT EXISTS (SELECT FROM risk_flag_opening o WHERE o.flag_id = f.id AND o.opened_by = NEW.approver_id)) THEN
        RAISE EXCEPTION 'a flag of batch % was not opened by its approver', NEW.batch_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'risk_flags_opened';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_flags_opened BEFORE INSERT ON batch_approval FOR EACH ROW EXECUTE FUNCTION guard_flags_opened();

-- What the rules look at, for some payouts at once.
CREATE FUNCTION payout_risk_facts(p_ids uuid[]) RETURNS TABLE (
    payout_id uuid, member_id uuid, activity_id uuid, amount_minor bigint, currency text, account_id uuid, change_id uuid,
    changed_at timestamptz, name_check text, paid_to_account bigint, earlier bigint[], same_day bigint,
    available_minor bigint, reserved_minor bigint, has_new_money boolean, advances_minor bigint, unpaid_invoice_id uuid,
    country text, iban_country text, shared_with_member uuid, shared_with_staff uuid, contact_changed_at timestamptz,
    session_id uuid, is_device_new boolean, device_of uuid, is_reviewer_caller boolean, disputed_invoice_id uuid)
LANGUAGE sql STABLE AS $$
    SELECT p.id, p.member_id, p.activity_id, p.amount_minor, p.currency::text, a.id, a.change_id,
        CASE WHEN a.change_id IS NOT NULL THEN a.created_at END,
        (SELECT n.outcome FROM bank_detail_name_check n WHERE n.change_id = a.change_id ORDER BY n.id DESC LIMIT 1),
        (SELECT count(*) FROM payout o JOIN payee_account oa ON oa.id = o.payee_account_id
         WHERE o.member_id = p.member_id AND oa.iban_index = a.iban_index AND o.state IN ('released', 'settled')),
        ARRAY(SELECT o.amount_minor FROM payout o WHERE o.member_id = p.member_id AND o.state IN ('released', 'settled') AND o.id <> p.id
              ORDER BY o.id DESC LIMIT 24),
        (SELECT count(*) FROM payout o WHERE o.member_id = p.member_id AND o.state NOT IN ('refused', 'cancelled')
           AND o.created_at > p.created_at - interval '24 hours' AND o.created_at <= p.created_at),
        coalesce(b.available_minor, 0), coalesce(b.reserved_minor, 0),
        EXISTS (SELECT FROM posting t JOIN journal_entry e ON e.id = t.entry_id
                WHERE t.activity_id = p.activity_id AND t.account = 'funds.available' AND t.amount_minor < 0
                  AND e.event NOT IN ('payout_cancelled', 'payout_returned') AND e.booked_on >= (umbel_now() - interval '1 day')::date),
        coalesce((SELECT sum(t.amount_minor) FROM posting t WHERE t.activity_id = p.activity_id AND t.account = 'memo.advances'), 0)::bigint,
        (SELECT i.id FROM invoice i JOIN guarantee_advance g ON g.invoice_id = i.id
         WHERE i.activity_id = p.activity_id AND i.state = 'issued'
           AND NOT EXISTS (SELECT FROM allocation l JOIN invoice x ON x.id = l.invoice_id WHERE x.client_id = i.client_id)
         ORDER BY i.id DESC LIMIT 1),
        m.country::text, a.iban_country::text,
        (SELECT oa.person_id FROM payee_account oa JOIN member om ON om.id = oa.person_id
         WHERE oa.iban_index = a.iban_index AND oa.person_id <> p.member_id LIMIT 1),
        (SELECT oa.person_id FROM payee_account oa JOIN role_grant r ON r.person_id = oa.person_id AND r.role <> 'member'
         WHERE oa.iban_index = a.iban_index AND oa.person_id <> p.member_id LIMIT 1),
        (SELECT max(c.at) FROM contact_change c WHERE c.person_id = p.member_id AND NOT c.is_first),
        s.id,
        -- A device that nobody knew three days before, of somebody who had others.
        coalesce(s.created_at > p.created_at - interval '72 hours'
            AND EXISTS (SELECT FROM session o WHERE o.person_id = p.member_id AND o.created_at < s.created_at AND o.id <> s.id)
            AND NOT EXISTS (SELECT FROM session o WHERE o.person_id = p.member_id AND o.device = s.device AND o.id <> s.id
                            AND o.created_at < s.created_at), false),
        (SELECT o.person_id FROM session o
         WHERE o.person_id <> p.member_id AND o.device = s.device AND o.address = s.address
           AND o.refreshed_at > p.created_at - interval '30 days' LIMIT 1),
        EXISTS (SELECT FROM bank_detail_callback k WHERE k.change_id = a.change_id AND p.reviewed_by IN (k.recorded_by, k.confirmed_by)),
        (SELECT d.invoice_id FROM invoice_dispute d JOIN invoice i ON i.id = d.invoice_id
         WHERE i.activity_id = p.activity_id AND d.resolved_at IS NULL LIMIT 1)
    FROM payout p
    JOIN member m ON m.id = p.member_id
    LEFT JOIN payee_account a ON a.id = p.payee_account_id
    LEFT JOIN activity_balance b ON b.activity_id = p.activity_id AND b.currency = p.currency
    LEFT JOIN payout_origin g ON g.payout_id = p.id
    LEFT JOIN session s ON s.id = g.session_id
    WHERE p.id = ANY (p_ids)
    ORDER BY p.id
$$;
GRANT EXECUTE ON FUNCTION payout_risk_facts TO umbel_app;
CREATE INDEX session_device ON session (address, device);

CREATE VIEW invariant_i33_flags_opened WITH (security_invoker = true) AS
SELECT f.id::text AS subject, format('batch %s was approved by %s', b.id, a.approver_id) AS detail
FROM payout_batch b
JOIN batch_approval a ON a.batch_id = b.id AND a.sha256 = b.sha256 AND a.at >= b.sealed_at
JOIN payout p ON p.batch_id = b.id
JOIN risk_flag f ON f.payout_id = p.id AND f.level IN ('medium', 'high') AND f.at <= a.at
WHERE b.state IN ('approved', 'released')
  AND NOT EXISTS (SELECT FROM risk_flag_opening o WHERE o.flag_id = f.id AND o.opened_by = a.approver_id AND o.at <= a.at);
GRANT SELECT ON invariant_i33_flags_opened TO umbel_app;

GRANT SELECT, INSERT ON payout_origin, risk_flag, risk_flag_opening TO umbel_app;
GRANT SELECT, INSERT (id, entity_id, code, level, before, valid_from, reason, decided_by), UPDATE (confirmed_by, confirmed_at) ON risk_level TO umbel_app;
