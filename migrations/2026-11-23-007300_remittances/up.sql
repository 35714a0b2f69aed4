-- What the mutual owes the offices for wages, paid by files of their own: to whom, what is due, and one remittance for each
-- liability and month, through the batches that payouts go through.

INSERT INTO ledger_account (code, kind, dimension) VALUES ('remittances_in_transit', 'liability', NULL);

-- To whom a liability is paid, from a day on: said by one person, confirmed by another.
CREATE TABLE payment_authority (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    entity_id uuid NOT NULL REFERENCES entity,
    account text NOT NULL REFERENCES ledger_account CHECK (account IN ('social_security_payable', 'withholding_payable')),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 70),
    street text NOT NULL DEFAULT '' CHECK (length(street) <= 70),
    postcode text NOT NULL DEFAULT '' CHECK (length(postcode) <= 16),
    town text NOT NULL CHECK (length(town) BETWEEN 1 AND 35),
    country char(2) NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    -- The account of an office is public, as ours is on our invoices.
    iban text NOT NULL CHECK (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$'),
    valid_from date NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    state text NOT NULL DEFAULT 'proposed',
    proposed_by uuid NOT NULL REFERENCES person,
    decided_by uuid REFERENCES person CONSTRAINT payment_authority_by_another CHECK (decided_by <> proposed_by),
    decided_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((state = 'proposed') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL))
);
CREATE INDEX payment_authority_entity ON payment_authority (entity_id, account, valid_from);
CREATE INDEX payment_authority_account ON payment_authority (account);
CREATE INDEX payment_authority_proposed_by ON payment_authority (proposed_by);
CREATE INDEX payment_authority_decided_by ON payment_authority (decided_by);
INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('payment_authority', '', 'proposed'), ('payment_authority', 'proposed', 'confirmed'), ('payment_authority', 'proposed', 'refused');
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON payment_authority FOR EACH ROW EXECUTE FUNCTION guard_state('payment_authority', 'no_owner');
CREATE FUNCTION guard_payment_authority() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(OLD) - '{state,decided_by,decided_at,version}'::text[]
       IS DISTINCT FROM to_jsonb(NEW) - '{state,decided_by,decided_at,version}'::text[] OR OLD.state <> 'proposed' THEN
        RAISE EXCEPTION 'where an office is paid never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payment_authority_immutable';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payment_authority BEFORE UPDATE OR DELETE ON payment_authority FOR EACH ROW EXECUTE FUNCTION guard_payment_authority();
ALTER TABLE payment_authority ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON payment_authority USING (umbel_sees_all());
GRANT SELECT, INSERT, UPDATE (state, decided_by, decided_at) ON payment_authority TO umbel_app;

-- One payment of a liability of one month.
CREATE TABLE remittance (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    account text NOT NULL REFERENCES ledger_account CHECK (account IN ('social_security_payable', 'withholding_payable')),
    -- The first day of the month in which it was booked as owed.
    period date NOT NULL CHECK (extract(day FROM period) = 1),
    authority_id uuid NOT NULL REFERENCES payment_authority,
    amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 99999999999),
    currency char(3) NOT NULL REFERENCES currency,
    -- What the office should read: by what it knows us and the declaration.
    reference text NOT NULL CHECK (length(reference) BETWEEN 1 AND 140),
    -- Names of payouts are hexadecimal: none begins with this letter, so that a line of the bank is about one or the other.
    end_to_end_id text NOT NULL CONSTRAINT remittance_end_to_end_unique UNIQUE CHECK (end_to_end_id ~ '^R[0-9A-F]{32}$'),
    state text NOT NULL DEFAULT 'approved',
    batch_id uuid REFERENCES payout_batch,
    prepared_by uuid NOT NULL REFERENCES person,
    settled_on date,
    returned_on date,
    result_reason text CHECK (length(result_reason) <= 400),
    given_up_by uuid REFERENCES person,
    given_up_evidence text CHECK (length(given_up_evidence) BETWEEN 1 AND 2000),
    given_up_agreed_by uuid REFERENCES person CONSTRAINT remittance_by_another CHECK (given_up_agreed_by <> given_up_by),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT remittance_batch_by_state CHECK ((state NOT IN ('approved', 'cancelled')) = (batch_id IS NOT NULL)),
    CHECK ((given_up_by IS NULL) = (given_up_evidence IS NULL) AND (state = 'given_back') = (given_up_agreed_by IS NOT NULL)),
    CHECK (given_up_by IS NOT NULL OR given_up_agreed_by IS NULL)
);
CREATE INDEX remittance_entity ON remittance (entity_id, account, period);
CREATE INDEX remittance_account ON remittance (account);
CREATE INDEX remittance_authority ON remittance (authority_id);
CREATE INDEX remittance_batch ON remittance (batch_id);
CREATE INDEX remittance_state ON remittance (state, id);
CREATE INDEX remittance_prepared_by ON remittance (prepared_by);
CREATE INDEX remittance_given_up_by ON remittance (given_up_by);
CREATE INDEX remittance_given_up_agreed_by ON remittance (given_up_agreed_by);
-- The states are those of a payout that was approved, for the same batches carry both.
INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('remittance', '', 'approved'), ('remittance', 'approved', 'cancelled'), ('remittance', 'approved', 'batched'), ('remittance', 'batched', 'approved'),
    ('remittance', 'batched', 'released'), ('remittance', 'released', 'settled'), ('remittance', 'released', 'rejected'), ('remittance', 'released', 'unknown'),
    ('remittance', 'unknown', 'settled'), ('remittance', 'unknown', 'rejected'), ('remittance', 'unknown', 'given_back'), ('remittance', 'settled', 'returned');
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON remittance FOR EACH ROW EXECUTE FUNCTION guard_state('remittance', 'no_owner');
ALTER TABLE remittance ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON remittance USING (umbel_sees_all());
GRANT SELECT, INSERT, UPDATE (state, batch_id, settled_on, returned_on, result_reason, given_up_by, given_up_evidence, given_up_agreed_by) ON remittance TO umbel_app;

-- What was booked as owed to an office, by liability and month, and what of it remittances pay, or will.
CREATE VIEW remittance_due WITH (security_invoker = true) AS
SELECT coalesce(o.entity_id, r.entity_id) AS entity_id, coalesce(o.account, r.account) AS account, coalesce(o.currency, r.currency) AS currency,
       coalesce(o.period, r.period) AS period, coalesce(o.owed_minor, 0)::bigint AS owed_minor, coalesce(r.prepared_minor, 0)::bigint AS prepared_minor,
       coalesce(r.on_the_way_minor, 0)::bigint AS on_the_way_minor, coalesce(r.paid_minor, 0)::bigint AS paid_minor
FROM (SELECT e.entity_id, p.account, p.currency, date_trunc('month', e.booked_on)::date AS period, -sum(p.amount_minor) AS owed_minor
      FROM posting p JOIN journal_entry e ON e.id = p.entry_id
      WHERE p.account IN ('social_security_payable', 'withholding_payable') AND e.source_kind <> 'remittance'
      GROUP BY e.entity_id, p.account, p.currency, date_trunc('month', e.booked_on)) o
FULL JOIN (SELECT entity_id, account, currency, period,
                  sum(amount_minor) FILTER (WHERE state IN ('approved', 'batched')) AS prepared_minor,
                  sum(amount_minor) FILTER (WHERE state IN ('released', 'unknown')) AS on_the_way_minor,
                  sum(amount_minor) FILTER (WHERE state = 'settled') AS paid_minor
           FROM remittance GROUP BY entity_id, account, currency, period) r
  ON (r.entity_id, r.account, r.currency, r.period) = (o.entity_id, o.account, o.currency, o.period);
GRANT SELECT ON remittance_due TO umbel_app;

CREATE FUNCTION guard_remittance() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND (
       to_jsonb(OLD) - '{state,batch_id,settled_on,returned_on,result_reason,given_up_by,given_up_evidence,given_up_agreed_by,version}'::text[]
          IS DISTINCT FROM to_jsonb(NEW) - '{state,batch_id,settled_on,returned_on,result_reason,given_up_by,given_up_evidence,given_up_agreed_by,version}'::text[]
       OR OLD.given_up_by IS NOT NULL AND (OLD.given_up_by, OLD.given_up_evidence) IS DISTINCT FROM (NEW.given_up_by, NEW.given_up_evidence)) THEN
        RAISE EXCEPTION 'the facts of a remittance never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'remittance_immutable';
    END IF;
    -- One at a time for each liability: what two prepare at once is counted one after the other.
    PERFORM pg_advisory_xact_lock(hashtextextended('remittance:' || NEW.entity_id || NEW.account, 0));
    IF TG_OP = 'INSERT' THEN
        IF NEW.batch_id IS NOT NULL OR NOT EXISTS (SELECT FROM payment_authority a WHERE a.id = NEW.authority_id AND a.state = 'confirmed'
               AND (a.entity_id, a.account) = (NEW.entity_id, NEW.account)) THEN
            RAISE EXCEPTION 'nobody confirmed where this is paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'remittance_authority_fits';
        END IF;
        -- Never more than is owed of the month, nor than is owed in all: what comes back of one month lessens the others.
        IF NEW.amount_minor > coalesce((SELECT sum(owed_minor - prepared_minor - on_the_way_minor - paid_minor) FROM remittance_due d
                WHERE (d.entity_id, d.account, d.currency, d.period) = (NEW.entity_id, NEW.account, NEW.currency, NEW.period)), 0)
           OR NEW.amount_minor > coalesce((SELECT sum(owed_minor - prepared_minor - on_the_way_minor - paid_minor) FROM remittance_due d
                WHERE (d.entity_id, d.account, d.currency) = (NEW.entity_id, NEW.account, NEW.currency)), 0) THEN
            RAISE EXCEPTION 'more than is owed' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'remittance_within_owed';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.batch_id IS DISTINCT FROM NEW.batch_id AND EXISTS (
        SELECT FROM payout_batch WHERE id IN (OLD.batch_id, NEW.batch_id) AND (state <> 'open' OR entity_id <> NEW.entity_id OR currency <> NEW.currency)) THEN
        RAISE EXCEPTION 'a sealed batch cannot be edited' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_sealed';
    END IF;
    IF NEW.state = 'released' AND OLD.state <> 'released' THEN
        IF NOT EXISTS (SELECT FROM payout_batch WHERE id = NEW.batch_id AND state = 'released') THEN
            RAISE EXCEPTION 'a remittance is released with its batch' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_release_with_batch';
        END IF;
        -- Another account of the office may have been confirmed since it was prepared.
        IF NEW.authority_id IS DISTINCT FROM (SELECT a.id FROM payment_authority a JOIN entity e ON e.id = a.entity_id
                WHERE (a.entity_id, a.account) = (NEW.entity_id, NEW.account) AND a.state = 'confirmed'
                  AND a.valid_from <= (umbel_now() AT TIME ZONE e.zone)::date
                ORDER BY a.valid_from DESC, a.seq DESC LIMIT 1) THEN
            RAISE EXCEPTION 'its office is paid elsewhere now' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'remittance_authority_current';
        END IF;
        -- Its entry is booked by now.
        IF coalesce((SELECT sum(p.amount_minor) FROM posting p JOIN journal_entry e ON e.id = p.entry_id
                     WHERE e.entity_id = NEW.entity_id AND p.account = NEW.account AND p.currency = NEW.currency), 0) > 0 THEN
            RAISE EXCEPTION 'more than is owed' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'remittance_within_owed';
        END IF;
    END IF;
    IF NEW.state = 'rejected' AND OLD.state <> 'rejected'
       AND NOT EXISTS (SELECT FROM bank_report_line l WHERE l.remittance_id = NEW.id AND l.effect = 'rejected') THEN
        RAISE EXCEPTION 'no bank refused remittance %', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_result_needs_word';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_remittance BEFORE INSERT OR UPDATE OR DELETE ON remittance FOR EACH ROW EXECUTE FUNCTION guard_remittance();

-- What a bank says of a transfer is about a payout, a remittance, or nothing of ours.
ALTER TABLE bank_report_line ADD COLUMN remittance_id uuid REFERENCES remittance;
CREATE INDEX bank_report_line_remittance ON bank_report_line (remittance_id);
ALTER TABLE bank_report_line DROP CONSTRAINT bank_report_line_check;
ALTER TABLE bank_report_line ADD CONSTRAINT bank_report_line_check
    CHECK ((effect = 'not_ours') = (payout_id IS NULL AND remittance_id IS NULL) AND (payout_id IS NULL OR remittance_id IS NULL));

ALTER TABLE bank_line DROP CONSTRAINT bank_line_matched_kind_check;
ALTER TABLE bank_line ADD CONSTRAINT bank_line_matched_kind_check CHECK (matched_kind IN ('redemption', 'invoice', 'cost', 'share', 'payout_settled',
    'payout_returned', 'recovery', 'payouts', 'bank_charge', 'client_credit', 'client_refund', 'remittance_settled', 'remittance_returned', 'remittances'));

-- What a batch carries, whichever it is.
CREATE VIEW batch_item WITH (security_invoker = true) AS
    SELECT batch_id, id, coalesce(net_minor, amount_minor) AS sent_minor FROM payout WHERE batch_id IS NOT NULL
    UNION ALL SELECT batch_id, id, amount_minor FROM remittance WHERE batch_id IS NOT NULL;
GRANT SELECT ON batch_item TO umbel_app;

-- Who may not approve what a batch carries: who is paid, who said where, and who vouched for it; of a remittance who prepared it
-- and who said and confirmed where its office is paid.
CREATE FUNCTION batch_people_apart(p_batch uuid) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT w.person FROM payout p
    LEFT JOIN payee_account a ON a.id = p.payee_account_id
    LEFT JOIN bank_detail_callback k ON k.change_id = a.change_id
    CROSS JOIN LATERAL (VALUES (p.member_id), (a.verified_by), (k.recorded_by), (k.confirmed_by)) w (person)
    WHERE p.batch_id = p_batch AND w.person IS NOT NULL
    UNION
    SELECT w.person FROM remittance r JOIN payment_authority a ON a.id = r.authority_id
    CROSS JOIN LATERAL (VALUES (r.prepared_by), (a.proposed_by), (a.decided_by)) w (person)
    WHERE r.batch_id = p_batch AND w.person IS NOT NULL
$$;
REVOKE EXECUTE ON FUNCTION batch_people_apart FROM PUBLIC;
GRANT EXECUTE ON FUNCTION batch_people_apart TO umbel_app;

CREATE OR REPLACE FUNCTION public.guard_batch()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
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
        SELECT count(*) AS n, coalesce(sum(sent_minor), 0) AS total INTO items FROM batch_item WHERE batch_id = NEW.id;
        IF items.n = 0 OR items.n <> NEW.payout_count OR items.total <> NEW.control_sum_minor
           OR NOT EXISTS (SELECT FROM archived_file f WHERE f.id = NEW.file_id AND f.sha256 = NEW.sha256 AND f.subject_id = NEW.id) THEN
            RAISE EXCEPTION 'the seal of batch % does not fit its payouts', NEW.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_seal_fits';
        END IF;
        -- Files of taxes and contributions are their own.
        IF EXISTS (SELECT FROM payout WHERE batch_id = NEW.id) AND EXISTS (SELECT FROM remittance WHERE batch_id = NEW.id) THEN
            RAISE EXCEPTION 'batch % carries payouts and remittances', NEW.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_of_one_kind';
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
END $function$;

CREATE OR REPLACE FUNCTION public.guard_approval()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
DECLARE
    batch payout_batch%ROWTYPE;
BEGIN
    SELECT * INTO batch FROM payout_batch WHERE id = NEW.batch_id FOR UPDATE;
    IF batch.state NOT IN ('sealed', 'approved') OR batch.sha256 IS DISTINCT FROM NEW.sha256 THEN
        RAISE EXCEPTION 'approved bytes are not the sealed bytes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_over_sealed_bytes';
    END IF;
    IF NEW.approver_id IN (batch.sealed_by, batch.built_by)
       OR NEW.approver_id IN (SELECT batch_people_apart(NEW.batch_id)) THEN
        RAISE EXCEPTION 'an approver neither seals nor is paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_by_another';
    END IF;
    IF NOT EXISTS (SELECT FROM step_up s WHERE s.id = NEW.step_up_id AND s.person_id = NEW.approver_id
                     AND s.operation = 'approve_batch' AND s.sha256 = NEW.sha256 AND s.used_at = NEW.at) THEN
        RAISE EXCEPTION 'an approval needs a second factor' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_needs_second_factor';
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION public.batch_approvals_counted(p_batch uuid, p_at timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    SELECT count(DISTINCT a.approver_id)::integer
    FROM payout_batch b JOIN entity e ON e.id = b.entity_id JOIN batch_approval a ON a.batch_id = b.id
    WHERE b.id = p_batch AND a.sha256 = b.sha256 AND a.at >= b.sealed_at AND a.at <= p_at
      AND a.at > p_at - make_interval(days => coalesce((SELECT y.approval_days FROM batch_policy y
            WHERE y.entity_id = b.entity_id AND y.valid_from <= (p_at AT TIME ZONE e.zone)::date AND y.created_at <= p_at
            ORDER BY y.valid_from DESC, y.seq DESC LIMIT 1), 7))
      AND a.approver_id NOT IN (b.sealed_by, b.built_by)
      AND a.approver_id NOT IN (SELECT batch_people_apart(b.id))
$function$;

CREATE OR REPLACE FUNCTION public.solvency_components(p_entity uuid, p_currency text, p_through bigint, p_day date)
 RETURNS TABLE(side text, component text, amount_minor bigint, accounts bigint)
 LANGUAGE sql
 STABLE
AS $function$
    WITH funds AS (SELECT * FROM solvency_activities(p_entity, p_currency, p_through, p_day)),
    sums AS (SELECT p.account, sum(p.amount_minor)::bigint AS amount,
                    count(DISTINCT coalesce(p.bank_account_id, p.payout_id, p.bank_line_id, p.invoice_id, p.activity_id, p.member_id)) AS n
             FROM posting p JOIN journal_entry e ON e.id = p.entry_id
             WHERE p.account IN ('bank', 'vat_output', 'vat_input', 'vat_refund_due', 'payouts_in_transit', 'supplier_payable',
                                 'redemption_payable', 'bank_suspense', 'activity_arrears', 'guarantee_fund',
                                 'social_security_payable', 'withholding_payable', 'remittances_in_transit', 'client_credit')
               AND e.entity_id = p_entity AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
             GROUP BY p.account)
    SELECT 'owed', 'available', coalesce(sum(available_minor), 0)::bigint, count(*) FILTER (WHERE available_minor > 0) FROM funds
    UNION ALL SELECT 'owed', 'reserved', coalesce(sum(reserved_minor), 0)::bigint, count(*) FILTER (WHERE reserved_minor > 0) FROM funds
    UNION ALL SELECT 'owed', 'advances_owed', coalesce(sum(advances_minor), 0)::bigint, count(*) FILTER (WHERE advances_minor > 0) FROM funds
    UNION ALL
    SELECT 'owed', c.component, coalesce(-s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('payouts_in_transit'), ('vat_output'), ('supplier_payable'), ('redemption_payable'), ('bank_suspense')) c (component)
    LEFT JOIN sums s ON s.account = c.component
    UNION ALL
    -- Of wages: named once there is one.
    SELECT 'owed', s.account, -s.amount, greatest(s.n, 1) FROM sums s WHERE s.account IN ('social_security_payable', 'withholding_payable', 'remittances_in_transit')
    UNION ALL
    SELECT 'held', c.component, coalesce(s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('bank'), ('vat_input'), ('vat_refund_due'), ('activity_arrears')) c (component)
    LEFT JOIN sums s ON s.account = c.component
    UNION ALL
    SELECT 'held', 'receivables', coalesce(sum(r.amount_minor), 0)::bigint, count(*)
    FROM solvency_receivables(p_entity, p_currency, p_through, p_day) r
    UNION ALL
    -- What clients paid beyond what was left to pay is owed back to them.
    SELECT 'owed', 'client_credits', coalesce(-sum(r.amount), 0)::bigint, count(*)
    FROM (SELECT p.invoice_id, sum(p.amount_minor) AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id
          WHERE p.account = 'receivable' AND e.entity_id = p_entity AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
          GROUP BY p.invoice_id HAVING sum(p.amount_minor) < 0
          UNION ALL SELECT NULL, s.amount FROM sums s WHERE s.account = 'client_credit' AND s.amount <> 0) r
    UNION ALL
    SELECT 'fund', 'guarantee_fund', coalesce(-s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('guarantee_fund')) c (component) LEFT JOIN sums s ON s.account = c.component
$function$;

CREATE OR REPLACE VIEW invariant_i15_solvent WITH (security_invoker = true) AS
SELECT (s.entity_id)::text AS subject,
    format('owed %s, held %s'::text, s.owed, s.held) AS detail
   FROM ( SELECT e.entity_id,
            (- COALESCE(sum(p.amount_minor) FILTER (WHERE (p.account = ANY (ARRAY['funds.available'::text, 'funds.reserved'::text, 'payouts_in_transit'::text, 'vat_output'::text, 'supplier_payable'::text, 'redemption_payable'::text, 'social_security_payable'::text, 'withholding_payable'::text, 'remittances_in_transit'::text, 'client_credit'::text]))), (0)::numeric)) AS owed,
            COALESCE(sum(p.amount_minor) FILTER (WHERE (p.account = ANY (ARRAY['bank'::text, 'receivable'::text, 'activity_arrears'::text, 'vat_input'::text, 'vat_refund_due'::text]))), (0)::numeric) AS held
           FROM (posting p
             JOIN journal_entry e ON ((e.id = p.entry_id)))
          GROUP BY e.entity_id) s
  WHERE (s.owed > s.held);

CREATE OR REPLACE VIEW invariant_i13_released_by_four_eyes WITH (security_invoker = true) AS
SELECT (b.id)::text AS subject,
    'released without enough approvals by other people over the same bytes'::text AS detail
   FROM payout_batch b
  WHERE ((b.state = 'released'::text) AND ((batch_approvals_counted(b.id, b.released_at) < batch_approvals_needed(b.id, b.control_sum_minor, b.released_at)) OR (EXISTS ( SELECT
           FROM payout p
          WHERE ((p.batch_id = b.id) AND (p.member_id = ANY (ARRAY[b.sealed_by, b.released_by])))))))
UNION ALL
 SELECT (b.id)::text AS subject,
    'the sealed file is not the approved one'::text AS detail
   FROM (payout_batch b
     JOIN archived_file f ON ((f.id = b.file_id)))
  WHERE ((sha256(f.bytes) <> b.sha256) OR (f.sha256 <> b.sha256))
UNION ALL
 SELECT (b.id)::text AS subject,
    'the sealed count or sum is not that of its payouts'::text AS detail
   FROM (payout_batch b
     CROSS JOIN LATERAL ( SELECT count(*) AS n, COALESCE(sum(i.sent_minor), (0)::numeric) AS total FROM batch_item i WHERE (i.batch_id = b.id)) t)
  WHERE ((b.sha256 IS NOT NULL) AND ((b.payout_count IS DISTINCT FROM (t.n)::integer) OR (b.control_sum_minor IS DISTINCT FROM (t.total)::bigint)));

INSERT INTO ledger_source (kind, source_table) VALUES ('remittance', 'remittance');
INSERT INTO ledger_event (event, source_kind) VALUES ('remittance_released', 'remittance'), ('remittance_settled', 'remittance'),
    ('remittance_returned', 'remittance'), ('remittance_stopped', 'remittance');

-- What is on its way to offices is what was released and the bank has not shown; and no file carries payouts and remittances.
CREATE VIEW invariant_i43_remittances_are_booked WITH (security_invoker = true) AS
SELECT coalesce(r.id, l.source_id)::text AS subject, format('on its way %s, ledger %s', coalesce(r.amount, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT id, amount_minor AS amount FROM remittance WHERE state IN ('released', 'unknown')) r
FULL JOIN (SELECT e.source_id, -sum(p.amount_minor) AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id
           WHERE p.account = 'remittances_in_transit' GROUP BY e.source_id HAVING sum(p.amount_minor) <> 0) l ON l.source_id = r.id
WHERE coalesce(r.amount, 0) <> coalesce(l.amount, 0)
UNION ALL
SELECT b.id::text, 'a file of payouts and remittances' FROM payout_batch b
WHERE b.sealed_at IS NOT NULL AND EXISTS (SELECT FROM payout WHERE batch_id = b.id) AND EXISTS (SELECT FROM remittance WHERE batch_id = b.id)
UNION ALL
SELECT r.id::text, 'a remittance that its office does not get' FROM remittance r JOIN payment_authority a ON a.id = r.authority_id
WHERE a.state <> 'confirmed' OR (a.entity_id, a.account) IS DISTINCT FROM (r.entity_id, r.account);
GRANT SELECT ON invariant_i43_remittances_are_booked TO umbel_app;
