-- Invoices between members of one legal person: no VAT, since nobody sells to itself; a number of a series of their own,
-- and paid at once by a transfer when the other side accepts.

ALTER TABLE document_series DROP CONSTRAINT document_series_series_check;
ALTER TABLE document_series ADD CONSTRAINT document_series_series_check CHECK (series IN ('invoice', 'credit_note', 'internal_invoice'));
ALTER TABLE number_template DROP CONSTRAINT number_template_series_check;
ALTER TABLE number_template ADD CONSTRAINT number_template_series_check CHECK (series IN ('invoice', 'credit_note', 'internal_invoice'));

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('internal_invoice', '', 'draft'), ('internal_invoice', 'draft', 'sent'), ('internal_invoice', 'draft', 'withdrawn'),
    ('internal_invoice', 'sent', 'accepted'), ('internal_invoice', 'sent', 'refused'), ('internal_invoice', 'sent', 'withdrawn');

-- What lines come to: each rounded once, half away from zero.
CREATE FUNCTION internal_invoice_total(p_lines jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(sum(round((l ->> 'quantity')::numeric * (l ->> 'unit_price_minor')::numeric)), 0)::bigint FROM jsonb_array_elements(p_lines) l
$$;

CREATE TABLE internal_invoice (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL REFERENCES activity,
    to_member_id uuid NOT NULL REFERENCES member,
    to_activity_id uuid NOT NULL REFERENCES activity,
    state text NOT NULL DEFAULT 'draft',
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    currency char(3) NOT NULL REFERENCES currency,
    lines jsonb NOT NULL CHECK (jsonb_typeof(lines) = 'array' AND jsonb_array_length(lines) BETWEEN 1 AND 200),
    total_minor bigint NOT NULL CHECK (total_minor > 0),
    -- Who wrote it and for whom, as on the document.
    from_name text NOT NULL CHECK (length(from_name) BETWEEN 1 AND 200),
    to_name text NOT NULL CHECK (length(to_name) BETWEEN 1 AND 200),
    series_year integer,
    seq bigint,
    number text,
    sent_on date,
    refusal_reason text CHECK (length(refusal_reason) BETWEEN 1 AND 500),
    transfer_id uuid REFERENCES transfer UNIQUE,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT internal_invoice_number_unique UNIQUE (entity_id, number),
    CONSTRAINT internal_invoice_seq_unique UNIQUE (entity_id, series_year, seq),
    CONSTRAINT internal_invoice_to_another CHECK (activity_id <> to_activity_id),
    CHECK (total_minor = internal_invoice_total(lines)),
    CHECK ((seq IS NULL) = (number IS NULL) AND (seq IS NULL) = (series_year IS NULL) AND (seq IS NULL) = (sent_on IS NULL)),
    CHECK (state <> 'draft' OR seq IS NULL),
    CHECK (state NOT IN ('sent', 'accepted', 'refused') OR seq IS NOT NULL),
    CHECK ((state = 'accepted') = (transfer_id IS NOT NULL)),
    CHECK ((state = 'refused') = (refusal_reason IS NOT NULL))
);
CREATE INDEX internal_invoice_member ON internal_invoice (member_id, id);
CREATE INDEX internal_invoice_to_member ON internal_invoice (to_member_id, id);
CREATE INDEX internal_invoice_activity ON internal_invoice (activity_id);
CREATE INDEX internal_invoice_to_activity ON internal_invoice (to_activity_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON internal_invoice FOR EACH ROW EXECUTE FUNCTION guard_state('internal_invoice', 'member_id');

-- Both activities are of the legal person whose document it is, and of those who are named; what was sent stays as it
-- was sent; it is paid by a transfer of just that amount, the other way.
CREATE FUNCTION guard_internal_invoice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an internal invoice is withdrawn, not deleted' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'internal_invoice_immutable';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.state <> 'draft'
       AND to_jsonb(OLD) - '{state,version,refusal_reason,transfer_id}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{state,version,refusal_reason,transfer_id}'::text[] THEN
        RAISE EXCEPTION 'what was sent stays as it was sent' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'internal_invoice_immutable';
    END IF;
    IF NEW.state = 'draft' AND (SELECT count(*) FROM activity a WHERE (a.id, a.member_id) IN ((NEW.activity_id, NEW.member_id), (NEW.to_activity_id, NEW.to_member_id))
                                  AND a.entity_id = NEW.entity_id) <> 2 THEN
        RAISE EXCEPTION 'an internal invoice stays in one legal person' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'internal_invoice_in_one_entity';
    END IF;
    IF NEW.transfer_id IS NOT NULL AND NOT EXISTS (SELECT FROM transfer t WHERE t.id = NEW.transfer_id
           AND (t.from_activity_id, t.to_activity_id, t.amount_minor, t.currency) = (NEW.to_activity_id, NEW.activity_id, NEW.total_minor, NEW.currency)) THEN
        RAISE EXCEPTION 'internal invoice % is not paid by that', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'internal_invoice_paid_exactly';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_internal BEFORE INSERT OR UPDATE OR DELETE ON internal_invoice FOR EACH ROW EXECUTE FUNCTION guard_internal_invoice();

-- Who manages an activity: whom an internal invoice names and whom its mails go to.
CREATE FUNCTION activity_party(p_activity uuid)
RETURNS TABLE (entity_id uuid, member_id uuid, is_closed boolean, activity text, name text, email text, language text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT a.entity_id, a.member_id, a.closed_at IS NOT NULL, a.name, p.name, p.email::text, p.language
    FROM activity a JOIN person p ON p.id = a.member_id WHERE a.id = p_activity
$$;
GRANT EXECUTE ON FUNCTION activity_party, internal_invoice_total TO umbel_app;

-- The other side sees it once it was sent.
ALTER TABLE internal_invoice ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON internal_invoice USING (umbel_owns(member_id) OR (umbel_owns(to_member_id) AND seq IS NOT NULL));
CREATE UNIQUE INDEX archived_file_internal_once ON archived_file (subject_id) WHERE kind = 'internal_invoice_pdf';
CREATE POLICY internal_invoice ON archived_file FOR SELECT
    USING (kind = 'internal_invoice_pdf' AND EXISTS (SELECT FROM internal_invoice i WHERE i.id = subject_id));

GRANT SELECT, INSERT, UPDATE ON internal_invoice TO umbel_app;

CREATE OR REPLACE VIEW invariant_i06_numbers_without_gap WITH (security_invoker = true) AS
WITH numbered AS (
    SELECT id, entity_id, kind AS series, series_year, seq, number, issued_on FROM invoice WHERE state = 'issued'
    UNION ALL
    SELECT id, entity_id, 'internal_invoice', series_year, seq, number, sent_on FROM internal_invoice WHERE seq IS NOT NULL
)
SELECT format('%s %s %s', d.entity_id, d.series, d.year) AS subject,
       format('counter %s, issued %s, lowest %s, highest %s', d.last_seq, coalesce(n.n, 0), n.low, n.high) AS detail
FROM document_series d
LEFT JOIN (SELECT entity_id, series, series_year, count(*) AS n, min(seq) AS low, max(seq) AS high
           FROM numbered GROUP BY entity_id, series, series_year) n ON n.entity_id = d.entity_id AND n.series = d.series AND n.series_year = d.year
WHERE d.last_seq <> coalesce(n.n, 0) OR n.low IS DISTINCT FROM 1 OR n.high IS DISTINCT FROM d.last_seq
UNION ALL
SELECT ordered.id::text, format('number %s is dated before its predecessor', ordered.number)
FROM (SELECT id, number, issued_on, lag(issued_on) OVER (PARTITION BY entity_id, series, series_year ORDER BY seq) AS before FROM numbered) ordered
WHERE ordered.issued_on < ordered.before;
