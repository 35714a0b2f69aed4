-- Credit notes: documents of their own, each correcting one issued invoice. Amounts are positive, as on paper.

ALTER TABLE document_series DROP CONSTRAINT document_series_series_check;
ALTER TABLE document_series ADD CONSTRAINT document_series_series_check CHECK (series IN ('invoice', 'credit_note'));

-- A credit note is written and issued in one transaction: nobody ever sees its draft.
INSERT INTO state_transition (machine, from_state, to_state) VALUES ('credit_note', '', 'draft'), ('credit_note', 'draft', 'issued');

ALTER TABLE invoice DROP CONSTRAINT invoice_kind_check, DROP CONSTRAINT invoice_check2;
ALTER TABLE invoice
    ADD COLUMN corrects_id uuid REFERENCES invoice,
    ADD COLUMN correction_reason text CHECK (length(correction_reason) BETWEEN 1 AND 500),
    ADD CONSTRAINT invoice_kind_check CHECK (kind IN ('invoice', 'credit_note')),
    ADD CONSTRAINT invoice_issued_whole CHECK (
        (seq IS NULL) = (number IS NULL) AND (seq IS NULL) = (issued_on IS NULL) AND (seq IS NULL) = (rule_set_id IS NULL)
        AND (seq IS NULL) = (seller_snapshot IS NULL) AND (seq IS NULL) = (buyer_snapshot IS NULL) AND (seq IS NULL) = (series_year IS NULL)
        AND (kind <> 'invoice' OR ((seq IS NULL) = (due_on IS NULL) AND (seq IS NULL) = (payment_reference IS NULL)
                                   AND (seq IS NULL) = (bank_account_id IS NULL)))),
    ADD CONSTRAINT credit_note_corrects CHECK (
        (kind = 'credit_note') = (corrects_id IS NOT NULL) AND (kind = 'credit_note') = (correction_reason IS NOT NULL)),
    -- It gives back: there is nothing to pay, no day to pay and nothing to advance.
    ADD CONSTRAINT credit_note_asks_nothing CHECK (kind <> 'credit_note' OR (
        net_minor > 0 AND tax_minor >= 0 AND due_on IS NULL AND payment_reference IS NULL AND bank_account_id IS NULL
        AND advance_due_on IS NULL AND submitted_at IS NULL));
CREATE INDEX invoice_corrects ON invoice (corrects_id) WHERE corrects_id IS NOT NULL;
CREATE INDEX invoice_credit_note ON invoice (id) WHERE kind = 'credit_note';

DROP TRIGGER state ON invoice;
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON invoice FOR EACH ROW WHEN (NEW.kind = 'invoice')
    EXECUTE FUNCTION guard_state('invoice', 'member_id');
CREATE TRIGGER state_of_credit_note BEFORE INSERT OR UPDATE ON invoice FOR EACH ROW WHEN (NEW.kind = 'credit_note')
    EXECUTE FUNCTION guard_state('credit_note', 'member_id');

-- Which line of the invoice it gives back.
ALTER TABLE invoice_line
    ADD COLUMN corrects_line integer CHECK (corrects_line > 0),
    ADD CONSTRAINT credit_line_once UNIQUE (invoice_id, corrects_line);

-- What a document is and what it corrects is decided when it is written.
CREATE FUNCTION guard_document_kind() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.kind, NEW.corrects_id) IS DISTINCT FROM (OLD.kind, OLD.corrects_id) THEN
        RAISE EXCEPTION 'a document stays what it is' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'document_kind_fixed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_kind BEFORE UPDATE OF kind, corrects_id ON invoice FOR EACH ROW EXECUTE FUNCTION guard_document_kind();

-- At its issue a credit note must fit what is left of its invoice: line by line, tax by tax, and in what it takes off
-- the open amount. The invoice is locked, so two credit notes cannot both find room.
CREATE FUNCTION guard_credit_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    corrected invoice;
BEGIN
    SELECT * INTO corrected FROM invoice WHERE id = NEW.corrects_id FOR NO KEY UPDATE;
    IF corrected.kind IS DISTINCT FROM 'invoice' OR corrected.state <> 'issued'
       OR (corrected.entity_id, corrected.member_id, corrected.activity_id, corrected.client_id, corrected.order_id, corrected.currency)
          IS DISTINCT FROM (NEW.entity_id, NEW.member_id, NEW.activity_id, NEW.client_id, NEW.order_id, NEW.currency)
       OR NEW.issued_on < corrected.issued_on THEN
        RAISE EXCEPTION 'credit note % does not fit the invoice that it corrects', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'credit_note_fits_invoice';
    END IF;
    IF EXISTS (SELECT FROM invoice_line l LEFT JOIN invoice_line o ON o.invoice_id = NEW.corrects_id AND o.n = l.corrects_line
               WHERE l.invoice_id = NEW.id AND (o.n IS NULL OR o.vat_case <> l.vat_case OR l.net_minor <= 0
                   OR o.net_minor < (SELECT sum(x.net_minor) FROM invoice_line x JOIN invoice c ON c.id = x.invoice_id
                                     WHERE c.corrects_id = NEW.corrects_id AND x.corrects_line = l.corrects_line)))
       OR EXISTS (SELECT FROM invoice_tax t
                  LEFT JOIN invoice_tax o ON o.invoice_id = NEW.corrects_id AND (o.vat_case, o.rate_ppm) = (t.vat_case, t.rate_ppm)
                  CROSS JOIN LATERAL (SELECT sum(x.base_minor) AS base, sum(x.tax_minor) AS tax FROM invoice_tax x JOIN invoice c ON c.id = x.invoice_id
                                      WHERE c.corrects_id = NEW.corrects_id AND (x.vat_case, x.rate_ppm) = (t.vat_case, t.rate_ppm)) s
                  WHERE t.invoice_id = NEW.id AND (o.invoice_id IS NULL OR t.tax_minor < 0 OR s.tax > o.tax_minor OR s.base > o.base_minor
                                                   OR (s.base = o.base_minor AND s.tax <> o.tax_minor))) THEN
        RAISE EXCEPTION 'credit note % gives back more than is left', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'credit_fits_rest';
    END IF;
    IF NOT EXISTS (SELECT FROM invoice_reduction r WHERE r.source_id = NEW.id AND r.kind = 'credit_note'
                   AND (r.invoice_id, r.member_id, r.amount_minor) = (NEW.corrects_id, NEW.member_id, NEW.gross_minor)) THEN
        RAISE EXCEPTION 'credit note % does not lower what it corrects', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'credit_lowers_invoice';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_credit_note BEFORE UPDATE ON invoice FOR EACH ROW
    WHEN (NEW.kind = 'credit_note' AND NEW.state = 'issued' AND OLD.state <> 'issued') EXECUTE FUNCTION guard_credit_note();

CREATE FUNCTION check_credit_note_issued() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF EXISTS (SELECT FROM invoice WHERE id = NEW.id AND state <> 'issued') THEN
        RAISE EXCEPTION 'credit note % was not issued', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'credit_note_at_once';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER credit_note_at_once AFTER INSERT ON invoice DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.kind = 'credit_note') EXECUTE FUNCTION check_credit_note_issued();

-- A payment never exceeds what credit notes left of an invoice.
CREATE OR REPLACE FUNCTION check_allocation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    line_amount bigint;
    gross bigint;
BEGIN
    SELECT amount_minor INTO line_amount FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE;
    SELECT gross_minor INTO gross FROM invoice WHERE id = NEW.invoice_id AND state = 'issued' AND kind = 'invoice' FOR UPDATE;
    IF gross IS NULL
       OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = NEW.bank_line_id) > line_amount
       OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE invoice_id = NEW.invoice_id)
          + (SELECT coalesce(sum(amount_minor), 0) FROM invoice_reduction WHERE invoice_id = NEW.invoice_id AND kind = 'credit_note') > gross THEN
        RAISE EXCEPTION 'allocation exceeds the bank line or the invoice'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'allocation_fits';
    END IF;
    RETURN NEW;
END $$;

INSERT INTO ledger_event (event, source_kind) VALUES ('credit_note_issued', 'invoice');

-- What is credited is carried no longer; what a client has paid too much lowers no other debt. A credit note frees
-- its part of a covered order again.
CREATE OR REPLACE FUNCTION client_exposure(p_client uuid) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    WITH same AS (SELECT c.id FROM client c, client p
                  WHERE p.id = p_client AND (c.id = p.id OR c.vat_number = p.vat_number))
    SELECT (coalesce((SELECT sum(greatest(0, o.open_minor)) FROM invoice_open o JOIN invoice i ON i.id = o.invoice_id
                      WHERE i.client_id IN (SELECT id FROM same)), 0)
          + coalesce((SELECT sum(greatest(0, r.gross_minor - coalesce((SELECT sum(CASE i.kind WHEN 'credit_note' THEN -i.gross_minor ELSE i.gross_minor END)
                                                     FROM invoice i WHERE i.order_id = r.id AND i.state = 'issued'), 0)))
                      FROM orders r JOIN guarantee_decision d ON d.order_id = r.id AND d.eligible
                      WHERE r.client_id IN (SELECT id FROM same)), 0))::bigint
$$;

-- The open advance of an invoice: what was advanced, less what credit notes took back of it since (the member's share,
-- but for what still waited); nothing once the client owes nothing any more.
CREATE OR REPLACE VIEW invariant_i08_advances_match_memo WITH (security_invoker = true) AS
SELECT coalesce(g.invoice_id, m.invoice_id)::text AS subject,
       format('open advance %s, memo %s', coalesce(g.amount, 0), coalesce(m.amount, 0)) AS detail
FROM (SELECT a.invoice_id,
             greatest(0, a.amount_minor - coalesce((
                 SELECT sum(c.net_minor + coalesce((SELECT sum(l.amount_minor) FROM levy_charge l WHERE l.source_kind = 'credit_note' AND l.source_id = c.id), 0)
                            - coalesce((SELECT sum(p.amount_minor) FROM posting p WHERE p.entry_id = e.id AND p.account = 'funds.pending'), 0))
                 FROM invoice c JOIN journal_entry e ON e.source_kind = 'invoice' AND e.source_id = c.id AND e.event = 'credit_note_issued'
                 WHERE c.corrects_id = a.invoice_id
                   AND e.id > coalesce((SELECT min(b.id) FROM journal_entry b WHERE b.source_kind = 'advance' AND b.source_id = a.id), 0)), 0)) AS amount
      FROM guarantee_advance a JOIN invoice_open o ON o.invoice_id = a.invoice_id
      WHERE o.open_minor > 0) g
FULL JOIN (SELECT invoice_id, sum(amount_minor) AS amount FROM posting WHERE account = 'memo.advances' GROUP BY invoice_id
           HAVING sum(amount_minor) <> 0) m ON m.invoice_id = g.invoice_id
WHERE coalesce(g.amount, 0) <> coalesce(m.amount, 0);

CREATE OR REPLACE VIEW invariant_i09_vat_is_documents WITH (security_invoker = true) AS
SELECT format('%s %s', coalesce(d.entity_id, l.entity_id), coalesce(d.period, l.period)) AS subject,
       format('documents %s, ledger %s', coalesce(d.tax, 0), coalesce(l.tax, 0)) AS detail
FROM (SELECT entity_id, to_char(issued_on, 'YYYY-MM') AS period,
             sum(CASE kind WHEN 'credit_note' THEN -tax_minor ELSE tax_minor END) AS tax FROM invoice WHERE state = 'issued'
      GROUP BY 1, 2) d
FULL JOIN (SELECT e.entity_id, e.period::text AS period, -sum(p.amount_minor) AS tax FROM posting p JOIN journal_entry e ON e.id = p.entry_id
           WHERE p.account = 'vat_output' GROUP BY 1, 2) l ON l.entity_id = d.entity_id AND l.period = d.period
WHERE coalesce(d.tax, 0) <> coalesce(l.tax, 0);

CREATE OR REPLACE VIEW invariant_i11_documents_agree_with_entries WITH (security_invoker = true) AS
SELECT i.id::text AS subject, format('%s %s: totals %s/%s/%s, ledger %s/%s/%s', i.kind, i.number, i.gross_minor, i.net_minor, i.tax_minor,
       coalesce(l.receivable, 0), coalesce(l.turnover, 0), coalesce(l.vat, 0)) AS detail
FROM invoice i
LEFT JOIN (SELECT e.source_id, e.event, CASE e.event WHEN 'invoice_issued' THEN 1 ELSE -1 END AS way,
                  sum(p.amount_minor) FILTER (WHERE p.account = 'receivable') AS receivable,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'turnover'), 0) AS turnover,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'vat_output'), 0) AS vat
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id WHERE e.event IN ('invoice_issued', 'credit_note_issued')
           GROUP BY e.source_id, e.event) l ON l.source_id = i.id AND l.event = i.kind || '_issued'
WHERE i.state = 'issued' AND (i.gross_minor, i.net_minor, i.tax_minor)
      IS DISTINCT FROM (coalesce(l.way * l.receivable, 0)::bigint, coalesce(l.way * l.turnover, 0)::bigint, coalesce(l.way * l.vat, 0)::bigint)
UNION ALL
SELECT e.id::text, format('%s has no %s %s', e.event, e.source_kind, e.source_id)
FROM journal_entry e
WHERE NOT ledger_fact_exists(e.source_kind, e.source_id)
   OR (e.source_kind = 'invoice' AND NOT EXISTS (SELECT FROM invoice x WHERE x.id = e.source_id AND x.state = 'issued'));

-- What is given back never exceeds what was invoiced, and nothing is left of what is given back in full.
CREATE VIEW invariant_i20_credits_fit WITH (security_invoker = true) AS
SELECT c.id::text AS subject, format('line %s gives back what line %s does not have', l.n, l.corrects_line) AS detail
FROM invoice c JOIN invoice_line l ON l.invoice_id = c.id
LEFT JOIN invoice_line o ON o.invoice_id = c.corrects_id AND o.n = l.corrects_line
WHERE c.kind = 'credit_note' AND (o.n IS NULL OR o.net_minor < (
    SELECT sum(x.net_minor) FROM invoice_line x JOIN invoice d ON d.id = x.invoice_id
    WHERE d.corrects_id = c.corrects_id AND x.corrects_line = l.corrects_line))
UNION ALL
SELECT o.invoice_id::text, format('%s %s: base %s of %s, tax %s of %s given back', o.vat_case, o.rate_ppm, s.base, o.base_minor, s.tax, o.tax_minor)
FROM (SELECT c.corrects_id, t.vat_case, t.rate_ppm, sum(t.base_minor) AS base, sum(t.tax_minor) AS tax
      FROM invoice c JOIN invoice_tax t ON t.invoice_id = c.id WHERE c.kind = 'credit_note' GROUP BY 1, 2, 3) s
JOIN invoice_tax o ON o.invoice_id = s.corrects_id AND (o.vat_case, o.rate_ppm) = (s.vat_case, s.rate_ppm)
WHERE s.base > o.base_minor OR s.tax > o.tax_minor OR (s.base = o.base_minor AND s.tax <> o.tax_minor)
UNION ALL
SELECT s.invoice_id::text, format('%s: booked %s, given back %s', s.kind, s.booked, s.given)
FROM (SELECT l.invoice_id, l.kind,
             coalesce(sum(l.amount_minor) FILTER (WHERE l.source_kind <> 'credit_note'), 0) AS booked,
             coalesce(-sum(l.amount_minor) FILTER (WHERE l.source_kind = 'credit_note'), 0) AS given,
             sum(l.base_minor) = 0 AS is_whole
      FROM levy_charge l WHERE l.invoice_id IS NOT NULL GROUP BY 1, 2 HAVING bool_or(l.source_kind = 'credit_note')) s
WHERE s.given < 0 OR s.given > s.booked OR (s.is_whole AND s.given <> s.booked)
UNION ALL
SELECT c.id::text, format('credit note %s of %s takes %s off its invoice', c.number, c.gross_minor, coalesce(r.amount_minor, 0))
FROM invoice c LEFT JOIN invoice_reduction r ON r.source_id = c.id AND r.invoice_id = c.corrects_id
WHERE c.kind = 'credit_note' AND c.gross_minor IS DISTINCT FROM r.amount_minor
UNION ALL
SELECT r.id::text, 'a reduction without its credit note'
FROM invoice_reduction r
WHERE r.kind = 'credit_note' AND NOT EXISTS (SELECT FROM invoice c WHERE c.id = r.source_id AND c.corrects_id = r.invoice_id);
GRANT SELECT ON invariant_i20_credits_fit TO umbel_app;
