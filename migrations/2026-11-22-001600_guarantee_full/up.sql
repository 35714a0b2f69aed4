-- When a client does not pay: disputes, advances that are put off, write-offs, claims on the guarantee fund and what
-- they draw, and what comes back later.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('write_off', '', 'proposed'), ('write_off', 'proposed', 'approved'), ('write_off', 'proposed', 'rejected');

-- While a client disputes an invoice, nothing is advanced on it.
CREATE TABLE invoice_dispute (
    id uuid PRIMARY KEY,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    opened_by uuid NOT NULL REFERENCES person,
    opened_at timestamptz NOT NULL DEFAULT umbel_now(),
    resolution text CHECK (length(resolution) BETWEEN 1 AND 2000),
    resolved_by uuid REFERENCES person,
    resolved_at timestamptz,
    CHECK ((resolved_at IS NULL) = (resolved_by IS NULL) AND (resolved_at IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX invoice_dispute_one_open ON invoice_dispute (invoice_id) WHERE resolved_at IS NULL;
CREATE INDEX invoice_dispute_invoice ON invoice_dispute (invoice_id);
CREATE INDEX invoice_dispute_member ON invoice_dispute (member_id);
CREATE INDEX invoice_dispute_opened_by ON invoice_dispute (opened_by);
CREATE INDEX invoice_dispute_resolved_by ON invoice_dispute (resolved_by);

-- An advance that its day did not bring, and why. It is tried again every day.
CREATE TABLE advance_hold (
    id uuid PRIMARY KEY,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    reason text NOT NULL CHECK (reason IN ('invoice_disputed', 'fund_multiple_exceeded', 'fund_paused')),
    since timestamptz NOT NULL DEFAULT umbel_now(),
    ended_at timestamptz,
    CHECK (ended_at >= since)
);
CREATE UNIQUE INDEX advance_hold_one_open ON advance_hold (invoice_id) WHERE ended_at IS NULL;
CREATE INDEX advance_hold_invoice ON advance_hold (invoice_id);
CREATE INDEX advance_hold_member ON advance_hold (member_id);

-- What has begun ends once, and says for ever what it was about.
CREATE FUNCTION guard_ending() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(OLD) ->> TG_ARGV[0] IS NOT NULL
       OR to_jsonb(OLD) - string_to_array(TG_ARGV[1], ',') IS DISTINCT FROM to_jsonb(NEW) - string_to_array(TG_ARGV[1], ',') THEN
        RAISE EXCEPTION '% has ended or its facts would change', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'append_only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ends_once BEFORE UPDATE ON invoice_dispute FOR EACH ROW
    EXECUTE FUNCTION guard_ending('resolved_at', 'resolved_at,resolved_by,resolution');
CREATE TRIGGER ends_once BEFORE UPDATE ON advance_hold FOR EACH ROW EXECUTE FUNCTION guard_ending('ended_at', 'ended_at');

-- A receivable given up: proposed by one person, decided by another. The parts are those of the approval.
CREATE TABLE write_off (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    state text NOT NULL DEFAULT 'proposed',
    currency char(3) NOT NULL REFERENCES currency,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    evidence text NOT NULL CHECK (length(evidence) BETWEEN 1 AND 4000),
    proposed_by uuid NOT NULL REFERENCES person CONSTRAINT write_off_proposer_is_another CHECK (proposed_by <> member_id),
    proposed_at timestamptz NOT NULL DEFAULT umbel_now(),
    decided_by uuid REFERENCES person,
    decided_at timestamptz,
    decision_reason text CHECK (length(decision_reason) BETWEEN 1 AND 2000),
    written_off_on date,
    is_covered boolean,
    is_advanced boolean,
    vat_minor bigint CHECK (vat_minor >= 0),
    fee_minor bigint CHECK (fee_minor >= 0),
    contribution_minor bigint CHECK (contribution_minor >= 0),
    member_minor bigint CHECK (member_minor >= 0),
    claim_minor bigint CHECK (claim_minor >= 0),
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT write_off_decider_is_another CHECK (decided_by NOT IN (proposed_by, member_id)),
    CHECK ((state = 'proposed') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)),
    CHECK ((state = 'approved') = (written_off_on IS NOT NULL) AND (written_off_on IS NULL) = (is_covered IS NULL)
           AND (written_off_on IS NULL) = (is_advanced IS NULL) AND (written_off_on IS NULL) = (vat_minor IS NULL)
           AND (written_off_on IS NULL) = (fee_minor IS NULL) AND (written_off_on IS NULL) = (contribution_minor IS NULL)
           AND (written_off_on IS NULL) = (member_minor IS NULL) AND (written_off_on IS NULL) = (claim_minor IS NULL)),
    -- VAT that the state gives back, the fee and the contribution that go back, what the member bears and what the
    -- fund is asked for: together what was given up.
    CONSTRAINT write_off_parts CHECK (vat_minor + fee_minor + contribution_minor + member_minor + claim_minor = amount_minor),
    CHECK (state <> 'rejected' OR decision_reason IS NOT NULL)
);
CREATE UNIQUE INDEX write_off_one_open ON write_off (invoice_id) WHERE state IN ('proposed', 'approved');
CREATE INDEX write_off_invoice ON write_off (invoice_id);
CREATE INDEX write_off_member ON write_off (member_id, id);
CREATE INDEX write_off_entity ON write_off (entity_id);
CREATE INDEX write_off_proposed_by ON write_off (proposed_by);
CREATE INDEX write_off_decided_by ON write_off (decided_by);

CREATE FUNCTION guard_write_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'proposed'
       OR (OLD.entity_id, OLD.invoice_id, OLD.member_id, OLD.currency, OLD.amount_minor, OLD.reason, OLD.evidence, OLD.proposed_by, OLD.proposed_at)
          IS DISTINCT FROM (NEW.entity_id, NEW.invoice_id, NEW.member_id, NEW.currency, NEW.amount_minor, NEW.reason, NEW.evidence, NEW.proposed_by, NEW.proposed_at) THEN
        RAISE EXCEPTION 'a decided write-off never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'write_off_immutable';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_write_off BEFORE UPDATE ON write_off FOR EACH ROW EXECUTE FUNCTION guard_write_off();
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON write_off FOR EACH ROW EXECUTE FUNCTION guard_state('write_off', 'member_id');

-- What the fund owes for a write-off. How much of it was drawn and recovered is moved by the rows that say so.
CREATE TABLE guarantee_claim (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    write_off_id uuid NOT NULL CONSTRAINT guarantee_claim_once UNIQUE REFERENCES write_off,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL REFERENCES activity,
    client_id uuid NOT NULL REFERENCES client,
    currency char(3) NOT NULL REFERENCES currency,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    drawn_minor bigint NOT NULL DEFAULT 0 CHECK (drawn_minor >= 0),
    recovered_minor bigint NOT NULL DEFAULT 0 CHECK (recovered_minor >= 0),
    opened_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT guarantee_claim_fits CHECK (drawn_minor + recovered_minor <= amount_minor)
);
CREATE INDEX guarantee_claim_open ON guarantee_claim (entity_id, id) WHERE drawn_minor + recovered_minor < amount_minor;
CREATE INDEX guarantee_claim_entity ON guarantee_claim (entity_id);
CREATE INDEX guarantee_claim_invoice ON guarantee_claim (invoice_id);
CREATE INDEX guarantee_claim_member ON guarantee_claim (member_id, id);
CREATE INDEX guarantee_claim_activity ON guarantee_claim (activity_id);
CREATE INDEX guarantee_claim_client ON guarantee_claim (client_id);

CREATE FUNCTION guard_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(OLD) - '{drawn_minor,recovered_minor}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{drawn_minor,recovered_minor}'::text[]
       OR NEW.drawn_minor < OLD.drawn_minor OR NEW.recovered_minor < OLD.recovered_minor THEN
        RAISE EXCEPTION 'a claim is only ever paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'append_only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_paid BEFORE UPDATE ON guarantee_claim FOR EACH ROW EXECUTE FUNCTION guard_claim();
CREATE TRIGGER no_delete BEFORE DELETE ON guarantee_claim FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Claims paid together, in full or in proportion.
CREATE TABLE guarantee_draw_run (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    currency char(3) NOT NULL REFERENCES currency,
    drawn_on date NOT NULL,
    fund_minor bigint NOT NULL CHECK (fund_minor > 0),
    claimed_minor bigint NOT NULL CHECK (claimed_minor > 0),
    paid_minor bigint NOT NULL CHECK (paid_minor > 0),
    claim_count integer NOT NULL CHECK (claim_count > 0),
    made_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CHECK (paid_minor = least(fund_minor, claimed_minor))
);
CREATE INDEX guarantee_draw_run_entity ON guarantee_draw_run (entity_id);
CREATE INDEX guarantee_draw_run_made_by ON guarantee_draw_run (made_by);

-- Money that the fund gave for a claim.
CREATE TABLE guarantee_draw (
    id uuid PRIMARY KEY,
    claim_id uuid NOT NULL REFERENCES guarantee_claim,
    run_id uuid REFERENCES guarantee_draw_run,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    currency char(3) NOT NULL REFERENCES currency,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    drawn_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT guarantee_draw_once_a_run UNIQUE (run_id, claim_id)
);
CREATE INDEX guarantee_draw_claim ON guarantee_draw (claim_id);
CREATE INDEX guarantee_draw_entity ON guarantee_draw (entity_id, drawn_on);
CREATE INDEX guarantee_draw_member ON guarantee_draw (member_id, id);

CREATE FUNCTION count_draw() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    UPDATE guarantee_claim SET drawn_minor = drawn_minor + NEW.amount_minor
    WHERE id = NEW.claim_id AND (entity_id, member_id, currency) = (NEW.entity_id, NEW.member_id, NEW.currency);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a draw pays its own claim' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'guarantee_claim_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER count_draw BEFORE INSERT ON guarantee_draw FOR EACH ROW EXECUTE FUNCTION count_draw();

-- Money that came after a write-off, and where it went: the VAT that is owed again, the fund up to what was drawn, the
-- rest of the claim, the contribution, the fee, the member.
CREATE TABLE recovery (
    id uuid PRIMARY KEY,
    write_off_id uuid NOT NULL REFERENCES write_off,
    bank_line_id uuid NOT NULL REFERENCES bank_line,
    member_id uuid NOT NULL REFERENCES member,
    currency char(3) NOT NULL REFERENCES currency,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    vat_minor bigint NOT NULL CHECK (vat_minor >= 0),
    fund_minor bigint NOT NULL CHECK (fund_minor >= 0),
    claim_minor bigint NOT NULL CHECK (claim_minor >= 0),
    contribution_minor bigint NOT NULL CHECK (contribution_minor >= 0),
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
    member_minor bigint NOT NULL CHECK (member_minor >= 0),
    recovered_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT recovery_once UNIQUE (bank_line_id, write_off_id),
    CONSTRAINT recovery_parts CHECK (vat_minor + fund_minor + claim_minor + contribution_minor + fee_minor + member_minor = amount_minor)
);
CREATE INDEX recovery_write_off ON recovery (write_off_id);
CREATE INDEX recovery_member ON recovery (member_id);

-- A line is given away once, and no more comes back than was given up.
CREATE FUNCTION check_recovery() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    line_amount bigint;
    given_up bigint;
BEGIN
    SELECT amount_minor INTO line_amount FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE;
    SELECT amount_minor INTO given_up FROM write_off WHERE id = NEW.write_off_id AND state = 'approved' FOR UPDATE;
    IF given_up IS NULL
       OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = NEW.bank_line_id)
                           + (SELECT coalesce(sum(amount_minor), 0) FROM recovery WHERE bank_line_id = NEW.bank_line_id) > line_amount
       OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM recovery WHERE write_off_id = NEW.write_off_id) > given_up THEN
        RAISE EXCEPTION 'recovery exceeds the bank line or the write-off'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'recovery_fits';
    END IF;
    IF NEW.claim_minor > 0 THEN
        UPDATE guarantee_claim SET recovered_minor = recovered_minor + NEW.claim_minor WHERE write_off_id = NEW.write_off_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_recovery BEFORE INSERT ON recovery FOR EACH ROW EXECUTE FUNCTION check_recovery();

-- The other way round: what was recovered by a line pays no invoice, and what was given up is not paid but recovered.
CREATE FUNCTION check_allocation_after_recovery() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = NEW.bank_line_id)
                        + (SELECT coalesce(sum(amount_minor), 0) FROM recovery WHERE bank_line_id = NEW.bank_line_id)
       > (SELECT amount_minor FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE)
       OR EXISTS (SELECT FROM invoice_reduction WHERE invoice_id = NEW.invoice_id AND kind = 'write_off') THEN
        RAISE EXCEPTION 'allocation exceeds the bank line or the invoice was given up' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'allocation_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_recovered BEFORE INSERT ON allocation FOR EACH ROW EXECUTE FUNCTION check_allocation_after_recovery();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON guarantee_draw_run FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON guarantee_draw FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON recovery FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Adds a kind to those that a line may be matched with, whatever they are by now.
DO $$
DECLARE
    present text;
BEGIN
    SELECT pg_get_constraintdef(oid) INTO present FROM pg_constraint
    WHERE conrelid = 'bank_line'::regclass AND conname = 'bank_line_matched_kind_check';
    EXECUTE 'ALTER TABLE bank_line DROP CONSTRAINT bank_line_matched_kind_check';
    EXECUTE 'ALTER TABLE bank_line ADD CONSTRAINT bank_line_matched_kind_check '
        || replace(present, '''payout_returned''::text', '''payout_returned''::text, ''recovery''::text');
END $$;

-- The fund is the sum of its postings, and never below zero: whoever takes out waits for whoever took before.
CREATE FUNCTION guarantee_fund_lock(p_entity uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT hashtextextended('guarantee fund ' || p_entity, 0) $$;

CREATE FUNCTION check_fund() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    taken record;
BEGIN
    FOR taken IN SELECT e.entity_id, a.currency FROM added a JOIN journal_entry e ON e.id = a.entry_id
                 WHERE a.account = 'guarantee_fund' GROUP BY e.entity_id, a.currency HAVING sum(a.amount_minor) > 0 ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock(guarantee_fund_lock(taken.entity_id));
        IF (SELECT sum(p.amount_minor) FROM posting p JOIN journal_entry e ON e.id = p.entry_id
            WHERE p.account = 'guarantee_fund' AND e.entity_id = taken.entity_id AND p.currency = taken.currency) > 0 THEN
            RAISE EXCEPTION 'the guarantee fund of % does not hold that much', taken.entity_id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'guarantee_fund_floor';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER check_fund AFTER INSERT ON posting REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_fund();

-- What the guarantee looks at when it judges an order. Over all members who work for the client; only sums leave it.
CREATE FUNCTION guarantee_exposure(p_entity uuid, p_member uuid, p_client uuid)
RETURNS TABLE (client_minor bigint, member_minor bigint, pair_minor bigint, pair_has_paid boolean, is_disputed boolean,
               fund_minor bigint, advances_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    WITH same AS (SELECT c.id FROM client c, client p
                  WHERE p.id = p_client AND (c.id = p.id OR c.vat_number = p.vat_number)),
    open AS (SELECT i.client_id, o.open_minor AS amount FROM invoice_open o JOIN invoice i ON i.id = o.invoice_id
             WHERE i.member_id = p_member
             UNION ALL
             SELECT r.client_id, greatest(0, r.gross_minor - coalesce((SELECT sum(i.gross_minor) FROM invoice i
                        WHERE i.order_id = r.id AND i.state = 'issued' AND i.kind = 'invoice'), 0))
             FROM orders r JOIN guarantee_decision d ON d.order_id = r.id AND d.eligible WHERE r.member_id = p_member)
    SELECT client_exposure(p_client),
           coalesce((SELECT sum(amount) FROM open), 0)::bigint,
           coalesce((SELECT sum(amount) FROM open WHERE client_id IN (SELECT id FROM same)), 0)::bigint,
           EXISTS (SELECT FROM allocation a JOIN invoice i ON i.id = a.invoice_id
                   WHERE i.member_id = p_member AND i.client_id IN (SELECT id FROM same)),
           EXISTS (SELECT FROM invoice_dispute d JOIN invoice i ON i.id = d.invoice_id
                   WHERE d.resolved_at IS NULL AND i.client_id IN (SELECT id FROM same)),
           f.fund_minor, f.advances_minor
    FROM (SELECT coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'guarantee_fund'), 0)::bigint AS fund_minor,
                 coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'memo.advances'), 0)::bigint AS advances_minor
          FROM posting p JOIN journal_entry e ON e.id = p.entry_id
          WHERE e.entity_id = p_entity AND p.account IN ('guarantee_fund', 'memo.advances')) f
$$;

-- The fund page: everybody may read these sums, nobody the rows below them.
CREATE FUNCTION guarantee_fund_figures(p_entity uuid, p_since date)
RETURNS TABLE (fund_minor bigint, contributed_minor bigint, drawn_minor bigint, returned_minor bigint, recovered_minor bigint,
               advances_minor bigint, advance_count bigint, claims_minor bigint, claim_count bigint,
               covered_count bigint, not_covered_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT f.fund_minor, f.contributed_minor, f.drawn_minor, f.returned_minor, f.recovered_minor, a.amount, a.n, c.amount, c.n, d.covered, d.not_covered
    FROM (SELECT coalesce(-sum(p.amount_minor), 0)::bigint AS fund_minor,
                 coalesce(-sum(p.amount_minor) FILTER (WHERE e.source_kind IN ('invoice', 'credit_note') AND e.booked_on >= p_since), 0)::bigint AS contributed_minor,
                 coalesce(sum(p.amount_minor) FILTER (WHERE e.event = 'guarantee_drawn' AND e.booked_on >= p_since), 0)::bigint AS drawn_minor,
                 coalesce(sum(p.amount_minor) FILTER (WHERE e.event = 'written_off' AND e.booked_on >= p_since), 0)::bigint AS returned_minor,
                 coalesce(-sum(p.amount_minor) FILTER (WHERE e.event = 'recovered' AND e.booked_on >= p_since), 0)::bigint AS recovered_minor
          FROM posting p JOIN journal_entry e ON e.id = p.entry_id WHERE p.account = 'guarantee_fund' AND e.entity_id = p_entity) f,
         (SELECT coalesce(sum(m.amount), 0)::bigint AS amount, count(*) AS n
          FROM (SELECT sum(p.amount_minor) AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id
                WHERE p.account = 'memo.advances' AND e.entity_id = p_entity GROUP BY p.invoice_id HAVING sum(p.amount_minor) <> 0) m) a,
         (SELECT coalesce(sum(amount_minor - drawn_minor - recovered_minor), 0)::bigint AS amount, count(*) AS n
          FROM guarantee_claim WHERE entity_id = p_entity AND drawn_minor + recovered_minor < amount_minor) c,
         (SELECT count(*) FILTER (WHERE g.eligible) AS covered, count(*) FILTER (WHERE NOT g.eligible) AS not_covered
          FROM guarantee_decision g JOIN orders o ON o.id = g.order_id WHERE o.entity_id = p_entity) d
$$;
GRANT EXECUTE ON FUNCTION guarantee_fund_lock, guarantee_exposure, guarantee_fund_figures TO umbel_app;

INSERT INTO ledger_source (kind, source_table) VALUES
    ('write_off', 'write_off'), ('draw', 'guarantee_draw'), ('recovery', 'recovery');
INSERT INTO ledger_event (event, source_kind) VALUES
    ('written_off', 'write_off'), ('guarantee_drawn', 'draw'), ('recovered', 'recovery');

CREATE OR REPLACE VIEW invariant_i16_suspense_has_owner WITH (security_invoker = true) AS
SELECT coalesce(b.id, l.bank_line_id)::text AS subject,
       format('unmatched line %s, ledger %s', coalesce(b.rest, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT x.id, CASE WHEN x.state = 'suspense' THEN x.amount_minor
                        WHEN x.matched_kind IN ('invoice', 'recovery')
                            THEN x.amount_minor - (SELECT coalesce(sum(a.amount_minor), 0) FROM allocation a WHERE a.bank_line_id = x.id)
                                                - (SELECT coalesce(sum(r.amount_minor), 0) FROM recovery r WHERE r.bank_line_id = x.id)
                        ELSE 0 END AS rest FROM bank_line x) b
FULL JOIN (SELECT bank_line_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'bank_suspense' GROUP BY bank_line_id
           HAVING sum(amount_minor) <> 0) l ON l.bank_line_id = b.id
WHERE coalesce(b.rest, 0) <> coalesce(l.amount, 0);

CREATE VIEW invariant_i19_fund_not_negative WITH (security_invoker = true) AS
SELECT e.entity_id::text AS subject, format('the guarantee fund is short of %s %s', sum(p.amount_minor), p.currency) AS detail
FROM posting p JOIN journal_entry e ON e.id = p.entry_id
WHERE p.account = 'guarantee_fund' GROUP BY e.entity_id, p.currency HAVING sum(p.amount_minor) > 0;

CREATE VIEW invariant_i24_claims_match_draws WITH (security_invoker = true) AS
SELECT c.id::text AS subject, format('claim %s: drawn %s, draws %s, recovered %s, recoveries %s', c.amount_minor, c.drawn_minor, d.amount, c.recovered_minor, r.amount) AS detail
FROM guarantee_claim c
CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0)::bigint AS amount FROM guarantee_draw WHERE claim_id = c.id) d
CROSS JOIN LATERAL (SELECT coalesce(sum(claim_minor), 0)::bigint AS amount FROM recovery WHERE write_off_id = c.write_off_id) r
WHERE (c.drawn_minor, c.recovered_minor) IS DISTINCT FROM (d.amount, r.amount) OR c.drawn_minor + c.recovered_minor > c.amount_minor
UNION ALL
SELECT w.id::text, format('write-off asks the fund for %s, its claim is %s', w.claim_minor, coalesce(c.amount_minor, 0))
FROM write_off w LEFT JOIN guarantee_claim c ON c.write_off_id = w.id
WHERE w.state = 'approved' AND w.claim_minor <> coalesce(c.amount_minor, 0)
UNION ALL
SELECT f.id::text, format('%s %s, ledger %s', f.kind, f.amount, coalesce(l.amount, 0))
FROM (SELECT id, 'draw' AS kind, amount_minor AS amount FROM guarantee_draw
      UNION ALL SELECT id, 'write_off', contribution_minor FROM write_off WHERE state = 'approved'
      UNION ALL SELECT id, 'recovery', -fund_minor - contribution_minor FROM recovery) f
LEFT JOIN (SELECT e.source_kind, e.source_id, sum(p.amount_minor) AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id
           WHERE p.account = 'guarantee_fund' AND e.event IN ('guarantee_drawn', 'written_off', 'recovered') GROUP BY 1, 2) l
       ON l.source_kind = f.kind AND l.source_id = f.id
WHERE f.amount <> coalesce(l.amount, 0)
UNION ALL
SELECT w.id::text, format('write-off of %s, invoice reduced by %s', w.amount_minor, coalesce(r.amount_minor, 0))
FROM write_off w FULL JOIN (SELECT * FROM invoice_reduction WHERE kind = 'write_off') r ON r.source_id = w.id
WHERE coalesce(w.state, 'approved') = 'approved' AND w.amount_minor IS DISTINCT FROM r.amount_minor;
GRANT SELECT ON invariant_i19_fund_not_negative, invariant_i24_claims_match_draws TO umbel_app;

ALTER TABLE invoice_dispute ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invoice_dispute USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE advance_hold ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON advance_hold USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE write_off ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON write_off USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE guarantee_claim ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarantee_claim USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE guarantee_draw ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarantee_draw USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE guarantee_draw_run ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON guarantee_draw_run USING (umbel_sees_all());
ALTER TABLE recovery ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON recovery USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());

GRANT SELECT, INSERT ON guarantee_claim, guarantee_draw, guarantee_draw_run, recovery TO umbel_app;
GRANT SELECT, INSERT, UPDATE ON write_off TO umbel_app;
GRANT SELECT, INSERT, UPDATE (resolution, resolved_by, resolved_at) ON invoice_dispute TO umbel_app;
GRANT SELECT, INSERT, UPDATE (ended_at) ON advance_hold TO umbel_app;
