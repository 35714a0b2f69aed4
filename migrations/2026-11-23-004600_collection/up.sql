-- Late clients: what the law lets a creditor claim, the tracks of a mutual, and what was done about each late invoice.
-- What is claimed on top of an invoice is never booked before it is paid, and carries no VAT.

-- Statutory interest by country and kind of debtor, from a day on. A row that was wrong stays; the next n of its day counts.
CREATE TABLE late_interest_rate (
    id uuid PRIMARY KEY,
    country char(2) NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    track text NOT NULL CHECK (track IN ('b2b', 'public_body', 'consumer')),
    valid_from date NOT NULL,
    n integer NOT NULL DEFAULT 1 CHECK (n > 0),
    rate_ppm bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 1000000),
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 400),
    needs_review_on date NOT NULL CHECK (needs_review_on > valid_from),
    reason text CHECK (length(reason) BETWEEN 1 AND 500),
    entered_by uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT late_interest_rate_once UNIQUE (country, track, valid_from, n),
    CONSTRAINT late_interest_rate_reason CHECK ((n = 1) = (reason IS NULL))
);
CREATE INDEX late_interest_rate_entered_by ON late_interest_rate (entered_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON late_interest_rate FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What else may be claimed, and what a debtor must be granted first.
CREATE TABLE collection_law (
    id uuid PRIMARY KEY,
    country char(2) NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    track text NOT NULL CHECK (track IN ('b2b', 'public_body', 'consumer')),
    valid_from date NOT NULL,
    n integer NOT NULL DEFAULT 1 CHECK (n > 0),
    interest_starts text NOT NULL CHECK (interest_starts IN ('due', 'reminder', 'grace')),
    is_first_reminder_free boolean NOT NULL,
    grace_days integer NOT NULL CHECK (grace_days BETWEEN 0 AND 90),
    post_working_days integer NOT NULL CHECK (post_working_days BETWEEN 0 AND 10),
    reminder_cost_max_minor bigint CHECK (reminder_cost_max_minor >= 0),
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 400),
    needs_review_on date NOT NULL CHECK (needs_review_on > valid_from),
    reason text CHECK (length(reason) BETWEEN 1 AND 500),
    entered_by uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT collection_law_once UNIQUE (country, track, valid_from, n),
    CONSTRAINT collection_law_reason CHECK ((n = 1) = (reason IS NULL)),
    CONSTRAINT collection_law_grace CHECK (interest_starts <> 'grace' OR grace_days > 0)
);
CREATE INDEX collection_law_entered_by ON collection_law (entered_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_law FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The fixed compensation: of what is open above `above_minor`, a sum and a share of the excess, at most `most_minor`.
CREATE TABLE collection_law_band (
    law_id uuid NOT NULL REFERENCES collection_law,
    above_minor bigint NOT NULL CHECK (above_minor >= 0),
    fixed_minor bigint NOT NULL CHECK (fixed_minor >= 0),
    rate_ppm bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 1000000),
    most_minor bigint CHECK (most_minor >= fixed_minor),
    PRIMARY KEY (law_id, above_minor)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_law_band FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- How an entity pursues one kind of client from a day on.
CREATE TABLE collection_track (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    track text NOT NULL CHECK (track IN ('b2b', 'public_body', 'consumer')),
    valid_from date NOT NULL,
    n integer NOT NULL DEFAULT 1 CHECK (n > 0),
    claims_interest boolean NOT NULL,
    claims_compensation boolean NOT NULL,
    question_days integer NOT NULL CHECK (question_days BETWEEN 1 AND 30),
    wait_max_days integer NOT NULL CHECK (wait_max_days BETWEEN 1 AND 180),
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 400),
    reason text CHECK (length(reason) BETWEEN 1 AND 500),
    decided_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT collection_track_once UNIQUE (entity_id, track, valid_from, n),
    CONSTRAINT collection_track_reason CHECK ((n = 1) = (reason IS NULL))
);
CREATE INDEX collection_track_decided_by ON collection_track (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_track FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE collection_step (
    track_id uuid NOT NULL REFERENCES collection_track,
    n integer NOT NULL CHECK (n BETWEEN 1 AND 9),
    kind text NOT NULL CHECK (kind IN ('reminder', 'formal_demand', 'agency')),
    -- After the last day to pay for the first step, after the step before for the others.
    after_days integer NOT NULL CHECK (after_days BETWEEN 1 AND 365),
    is_posted boolean NOT NULL DEFAULT false,
    cost_minor bigint NOT NULL DEFAULT 0 CHECK (cost_minor >= 0),
    postage_minor bigint NOT NULL DEFAULT 0 CHECK (postage_minor >= 0),
    pay_days integer CHECK (pay_days BETWEEN 1 AND 60),
    PRIMARY KEY (track_id, n),
    CONSTRAINT collection_step_pay_days CHECK ((kind = 'formal_demand') = (pay_days IS NOT NULL)),
    CONSTRAINT collection_step_cost CHECK (kind = 'reminder' OR (cost_minor = 0 AND postage_minor = 0))
);
CREATE UNIQUE INDEX collection_step_kind_once ON collection_step (track_id, kind) WHERE kind <> 'reminder';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_step FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A promise to pay by days, or a hold with its reason: nothing is sent meanwhile.
CREATE TABLE collection_pause (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    kind text NOT NULL CHECK (kind IN ('promise', 'hold')),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    started_on date NOT NULL,
    until_on date CHECK (until_on >= started_on),
    open_minor bigint NOT NULL CHECK (open_minor > 0),
    opened_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    ended_on date,
    ended_by uuid REFERENCES person,
    end_reason text CHECK (length(end_reason) BETWEEN 1 AND 2000),
    version integer NOT NULL DEFAULT 1,
    CHECK (kind = 'hold' OR until_on IS NOT NULL),
    CHECK ((ended_on IS NULL) = (end_reason IS NULL) AND (ended_by IS NULL OR ended_on IS NOT NULL))
);
CREATE UNIQUE INDEX collection_pause_one_open ON collection_pause (invoice_id) WHERE ended_on IS NULL;
CREATE INDEX collection_pause_invoice ON collection_pause (invoice_id);
CREATE INDEX collection_pause_member ON collection_pause (member_id, id);
CREATE INDEX collection_pause_entity ON collection_pause (entity_id);
CREATE INDEX collection_pause_opened_by ON collection_pause (opened_by);
CREATE INDEX collection_pause_ended_by ON collection_pause (ended_by);
CREATE TRIGGER ends_once BEFORE UPDATE ON collection_pause FOR EACH ROW
    EXECUTE FUNCTION guard_ending('ended_on', 'ended_on,ended_by,end_reason,version');
CREATE TRIGGER version BEFORE UPDATE ON collection_pause FOR EACH ROW EXECUTE FUNCTION step_version();
CREATE TRIGGER no_delete BEFORE DELETE ON collection_pause FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE collection_pause ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON collection_pause USING (umbel_owns(member_id));

-- What was promised, by day.
CREATE TABLE collection_pause_part (
    pause_id uuid NOT NULL REFERENCES collection_pause,
    due_on date NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (pause_id, due_on)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_pause_part FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE collection_pause_part ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON collection_pause_part USING (EXISTS (SELECT FROM collection_pause p WHERE p.id = pause_id));

-- Whether the member agrees to a formal demand: asked once for an invoice; the last answer counts, silence means go.
CREATE TABLE collection_question (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    invoice_id uuid NOT NULL REFERENCES invoice CONSTRAINT collection_question_once UNIQUE,
    member_id uuid NOT NULL REFERENCES member,
    asked_on date NOT NULL,
    silent_on date NOT NULL CHECK (silent_on > asked_on),
    wait_until_max date NOT NULL CHECK (wait_until_max > asked_on),
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX collection_question_member ON collection_question (member_id, id);
CREATE INDEX collection_question_entity ON collection_question (entity_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_question FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE collection_question ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON collection_question USING (umbel_owns(member_id));

CREATE TABLE collection_answer (
    question_id uuid NOT NULL REFERENCES collection_question,
    n integer NOT NULL CHECK (n > 0),
    answer text NOT NULL CHECK (answer IN ('go', 'wait', 'call')),
    go_on date NOT NULL,
    answered_on date NOT NULL,
    note text CHECK (length(note) BETWEEN 1 AND 2000),
    answered_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (question_id, n),
    CHECK (go_on >= answered_on)
);
CREATE INDEX collection_answer_answered_by ON collection_answer (answered_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_answer FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE collection_answer ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON collection_answer USING (EXISTS (SELECT FROM collection_question q WHERE q.id = question_id));

-- A reminder may be sent by the program, and from the second on may cost something.
ALTER TABLE payment_reminder ALTER COLUMN requested_by DROP NOT NULL;
ALTER TABLE payment_reminder ADD COLUMN cost_minor bigint NOT NULL DEFAULT 0 CHECK (cost_minor >= 0);
-- What a first reminder must announce where the law grants a grace: until when nothing is added, and what would be then.
ALTER TABLE payment_reminder ADD COLUMN pay_by date CHECK (pay_by > reminded_on),
    ADD COLUMN late_rate_ppm bigint CHECK (late_rate_ppm BETWEEN 0 AND 1000000),
    ADD COLUMN late_compensation_minor bigint CHECK (late_compensation_minor >= 0),
    ADD CONSTRAINT payment_reminder_announces CHECK (pay_by IS NOT NULL OR (late_rate_ppm IS NULL AND late_compensation_minor IS NULL));

-- What was done: each step of an invoice once, on its logical date or, after a pause or downtime, later.
CREATE TABLE collection_action (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    client_id uuid NOT NULL REFERENCES client,
    track_id uuid NOT NULL,
    step_n integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('reminder', 'formal_demand', 'agency')),
    logical_on date NOT NULL,
    done_on date NOT NULL,
    due_on date NOT NULL,
    pay_by date,
    -- Until when a debtor with a grace after the first reminder owes nothing on top.
    grace_until date,
    currency char(3) NOT NULL REFERENCES currency,
    open_minor bigint NOT NULL CHECK (open_minor > 0),
    interest_minor bigint NOT NULL CHECK (interest_minor >= 0),
    compensation_minor bigint NOT NULL CHECK (compensation_minor >= 0),
    costs_minor bigint NOT NULL CHECK (costs_minor >= 0),
    total_minor bigint NOT NULL,
    computation jsonb NOT NULL CHECK (jsonb_typeof(computation -> 'segments') = 'array'),
    reminder_id uuid REFERENCES payment_reminder CONSTRAINT collection_action_reminder_once UNIQUE,
    decided_by uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT collection_action_once UNIQUE (invoice_id, step_n),
    CONSTRAINT collection_action_one_a_day UNIQUE (invoice_id, done_on),
    CONSTRAINT collection_action_adds_up CHECK (total_minor = open_minor + interest_minor + compensation_minor + costs_minor),
    CONSTRAINT collection_action_not_early CHECK (done_on >= logical_on AND logical_on > due_on),
    CHECK ((kind = 'reminder') = (reminder_id IS NOT NULL)),
    CHECK ((kind = 'formal_demand') = (pay_by IS NOT NULL)),
    FOREIGN KEY (track_id, step_n) REFERENCES collection_step
);
CREATE INDEX collection_action_member ON collection_action (member_id, id);
CREATE INDEX collection_action_entity ON collection_action (entity_id);
CREATE INDEX collection_action_client ON collection_action (client_id);
CREATE INDEX collection_action_step ON collection_action (track_id, step_n);
CREATE INDEX collection_action_decided_by ON collection_action (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_action FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE collection_action ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON collection_action USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());

-- One step after the other of one track, about what is open, and none while the invoice is disputed or paused.
CREATE FUNCTION guard_collection_action() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before collection_action;
BEGIN
    SELECT * INTO before FROM collection_action WHERE invoice_id = NEW.invoice_id ORDER BY step_n DESC LIMIT 1;
    IF NEW.step_n <> coalesce(before.step_n, 0) + 1 OR NEW.done_on <= before.done_on OR NEW.track_id <> before.track_id
       OR NOT EXISTS (SELECT FROM collection_step s JOIN collection_track t ON t.id = s.track_id
                      WHERE (s.track_id, s.n, s.kind, t.entity_id) = (NEW.track_id, NEW.step_n, NEW.kind, NEW.entity_id))
       OR NOT EXISTS (SELECT FROM invoice i JOIN invoice_open o ON o.invoice_id = i.id
                      WHERE i.id = NEW.invoice_id AND o.open_minor = NEW.open_minor
                        AND (i.entity_id, i.member_id, i.client_id, i.currency, i.due_on)
                          = (NEW.entity_id, NEW.member_id, NEW.client_id, NEW.currency, NEW.due_on)) THEN
        RAISE EXCEPTION 'step % of invoice % does not follow', NEW.step_n, NEW.invoice_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'collection_action_follows';
    END IF;
    IF EXISTS (SELECT FROM invoice_dispute d WHERE d.invoice_id = NEW.invoice_id AND d.resolved_at IS NULL)
       OR EXISTS (SELECT FROM collection_pause p WHERE p.invoice_id = NEW.invoice_id AND p.ended_on IS NULL
                  AND (p.until_on IS NULL OR p.until_on >= NEW.done_on)) THEN
        RAISE EXCEPTION 'invoice % is disputed or paused', NEW.invoice_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'collection_action_paused';
    END IF;
    IF NEW.kind = 'formal_demand' AND NOT EXISTS (
        SELECT FROM collection_question q WHERE q.invoice_id = NEW.invoice_id AND NEW.done_on >= coalesce(
            (SELECT a.go_on FROM collection_answer a WHERE a.question_id = q.id ORDER BY a.n DESC LIMIT 1), q.silent_on)) THEN
        RAISE EXCEPTION 'the member of invoice % was not asked or has not agreed', NEW.invoice_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'collection_action_agreed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER follows BEFORE INSERT ON collection_action FOR EACH ROW EXECUTE FUNCTION guard_collection_action();

-- The registered letter of a formal demand: by whom it was carried, and its number.
CREATE TABLE collection_posting (
    id uuid PRIMARY KEY,
    action_id uuid NOT NULL REFERENCES collection_action CONSTRAINT collection_posting_once UNIQUE,
    carrier text NOT NULL CHECK (length(carrier) BETWEEN 1 AND 100),
    tracking_number text NOT NULL CHECK (length(tracking_number) BETWEEN 1 AND 60),
    posted_on date NOT NULL,
    recorded_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX collection_posting_recorded_by ON collection_posting (recorded_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_posting FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE collection_posting ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON collection_posting USING (EXISTS (SELECT FROM collection_action a WHERE a.id = action_id));

-- The diary: every contact with the client of a late invoice.
CREATE TABLE collection_contact (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    invoice_id uuid NOT NULL REFERENCES invoice,
    client_id uuid NOT NULL REFERENCES client,
    member_id uuid NOT NULL REFERENCES member,
    kind text NOT NULL CHECK (kind IN ('call', 'mail', 'letter', 'promise', 'visit', 'agency')),
    contacted_on date NOT NULL,
    note text NOT NULL CHECK (length(note) BETWEEN 1 AND 4000),
    action_id uuid REFERENCES collection_action CONSTRAINT collection_contact_of_action_once UNIQUE,
    recorded_by uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CHECK (recorded_by IS NOT NULL OR action_id IS NOT NULL)
);
CREATE INDEX collection_contact_invoice ON collection_contact (invoice_id, id);
CREATE INDEX collection_contact_client ON collection_contact (client_id, id);
CREATE INDEX collection_contact_member ON collection_contact (member_id, id);
CREATE INDEX collection_contact_entity ON collection_contact (entity_id);
CREATE INDEX collection_contact_recorded_by ON collection_contact (recorded_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_contact FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE collection_contact ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON collection_contact USING (umbel_owns(member_id));

CREATE UNIQUE INDEX archived_file_demand_once ON archived_file (subject_id) WHERE kind = 'formal_demand';
CREATE UNIQUE INDEX archived_file_handover_once ON archived_file (subject_id, kind) WHERE kind IN ('agency_handover', 'agency_handover_csv');

-- What lowered an invoice, and when: money on the day on which the bank booked it.
CREATE FUNCTION invoice_movements(p_invoice uuid) RETURNS TABLE (moved_on date, kind text, amount_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT l.booked_on, 'payment', a.amount_minor FROM allocation a JOIN bank_line l ON l.id = a.bank_line_id
    WHERE a.invoice_id = p_invoice AND umbel_owns(a.member_id)
    UNION ALL SELECT r.reduced_on, r.kind, r.amount_minor FROM invoice_reduction r
    WHERE r.invoice_id = p_invoice AND umbel_owns(r.member_id)
    ORDER BY 1
$$;
GRANT EXECUTE ON FUNCTION invoice_movements(uuid) TO umbel_app;

-- Steps of an invoice go up without a gap, each later than the one before and none twice.
CREATE VIEW invariant_i37_steps_in_order WITH (security_invoker = true) AS
SELECT a.invoice_id::text AS subject, format('step %s on %s after step %s on %s', a.step_n, a.done_on, b.step_n, b.done_on) AS detail
FROM collection_action a LEFT JOIN collection_action b ON b.invoice_id = a.invoice_id AND b.step_n = a.step_n - 1
WHERE a.step_n > 1 AND (b.id IS NULL OR b.done_on >= a.done_on OR b.track_id <> a.track_id)
UNION ALL
SELECT a.invoice_id::text, format('reminder of step %s is about another invoice, day or amount', a.step_n)
FROM collection_action a JOIN payment_reminder r ON r.id = a.reminder_id
WHERE (r.invoice_id, r.reminded_on, r.open_minor) <> (a.invoice_id, a.done_on, a.open_minor) OR r.requested_by IS NOT NULL;

GRANT SELECT ON invariant_i37_steps_in_order TO umbel_app;
GRANT SELECT, INSERT ON late_interest_rate, collection_law, collection_law_band, collection_track, collection_step, collection_pause_part,
    collection_question, collection_answer, collection_action, collection_posting, collection_contact TO umbel_app;
GRANT SELECT, INSERT, UPDATE (ended_on, ended_by, end_reason) ON collection_pause TO umbel_app;

-- What the law says, as published. Rates between enterprises change by half-year.
INSERT INTO late_interest_rate (id, country, track, valid_from, rate_ppm, source, needs_review_on)
SELECT gen_random_uuid(), r.country, t.track, r.valid_from, r.rate_ppm, r.source, r.valid_from + interval '6 months'
FROM (VALUES
    ('BE', date '2024-01-01', 125000, 'Law of 2 August 2002, art. 5; Belgian Official Gazette, first half of 2024'),
    ('BE', '2024-07-01', 125000, 'Law of 2 August 2002, art. 5; Belgian Official Gazette, second half of 2024'),
    ('BE', '2025-01-01', 115000, 'Law of 2 August 2002, art. 5; Belgian Official Gazette, first half of 2025'),
    ('BE', '2025-07-01', 105000, 'Law of 2 August 2002, art. 5; Belgian Official Gazette, second half of 2025'),
    ('BE', '2026-01-01', 105000, 'Law of 2 August 2002, art. 5; Belgian Official Gazette, first half of 2026'),
    ('DE', '2026-01-01', 102700, 'BGB § 288 (2): base rate + 9 points, first half of 2026'),
    ('FR', '2026-01-01', 121500, 'Code de commerce art. L441-10: ECB rate + 10 points, first half of 2026')
) r (country, valid_from, rate_ppm, source) CROSS JOIN (VALUES ('b2b'), ('public_body')) t (track)
WHERE NOT (r.country = 'FR' AND t.track = 'public_body');
INSERT INTO late_interest_rate (id, country, track, valid_from, rate_ppm, source, needs_review_on) VALUES
    (gen_random_uuid(), 'FR', 'public_body', '2026-01-01', 101500, 'Code de la commande publique art. R2192-31: ECB rate + 8 points', '2026-07-01'),
    (gen_random_uuid(), 'BE', 'consumer', '2024-01-01', 57500, 'Legal interest rate 2024, law of 5 May 1865 art. 2', '2025-01-01'),
    (gen_random_uuid(), 'BE', 'consumer', '2025-01-01', 45000, 'Legal interest rate 2025, law of 5 May 1865 art. 2', '2026-01-01'),
    (gen_random_uuid(), 'BE', 'consumer', '2026-01-01', 45000, 'Legal interest rate 2026, law of 5 May 1865 art. 2', '2027-01-01');

INSERT INTO collection_law (id, country, track, valid_from, interest_starts, is_first_reminder_free, grace_days, post_working_days,
                            reminder_cost_max_minor, source, needs_review_on) VALUES
    (gen_random_uuid(), 'BE', 'b2b', '2013-03-16', 'due', false, 0, 0, NULL, 'Law of 2 August 2002, art. 6 (Directive 2011/7/EU)', '2027-12-31'),
    (gen_random_uuid(), 'BE', 'public_body', '2013-03-16', 'due', false, 0, 0, NULL, 'Law of 2 August 2002, art. 6 (Directive 2011/7/EU)', '2027-12-31'),
    (gen_random_uuid(), 'BE', 'consumer', '2023-12-01', 'grace', true, 14, 3, 750, 'Code of economic law, book XIX, art. XIX.2 and XIX.4', '2027-12-31'),
    (gen_random_uuid(), 'DE', 'b2b', '2014-07-29', 'due', false, 0, 0, NULL, 'BGB § 288 (5)', '2027-12-31'),
    (gen_random_uuid(), 'DE', 'public_body', '2014-07-29', 'due', false, 0, 0, NULL, 'BGB § 288 (5)', '2027-12-31'),
    (gen_random_uuid(), 'FR', 'b2b', '2013-01-01', 'due', false, 0, 0, NULL, 'Code de commerce art. L441-10 and D441-5', '2027-12-31'),
    (gen_random_uuid(), 'FR', 'public_body', '2013-05-01', 'due', false, 0, 0, NULL, 'Code de la commande publique art. D2192-35', '2027-12-31');
INSERT INTO collection_law_band (law_id, above_minor, fixed_minor, rate_ppm, most_minor)
SELECT id, 0, 4000, 0, NULL FROM collection_law WHERE track <> 'consumer'
UNION ALL SELECT id, b.above_minor, b.fixed_minor, b.rate_ppm, b.most_minor FROM collection_law
CROSS JOIN (VALUES (0, 2000, 0, NULL), (15000, 3000, 100000, NULL), (50000, 6500, 50000, 200000)) b (above_minor, fixed_minor, rate_ppm, most_minor)
WHERE country = 'BE' AND track = 'consumer';
