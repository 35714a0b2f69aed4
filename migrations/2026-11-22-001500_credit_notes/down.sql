-- The documents as they were before credit notes. Refused while there are any: they are legal documents.

DROP VIEW invariant_i20_credits_fit;

CREATE OR REPLACE VIEW invariant_i11_documents_agree_with_entries WITH (security_invoker = true) AS
SELECT i.id::text AS subject, format('invoice %s: totals %s/%s/%s, ledger %s/%s/%s', i.number, i.gross_minor, i.net_minor, i.tax_minor,
       coalesce(l.receivable, 0), coalesce(l.turnover, 0), coalesce(l.vat, 0)) AS detail
FROM invoice i
LEFT JOIN (SELECT e.source_id,
                  sum(p.amount_minor) FILTER (WHERE p.account = 'receivable') AS receivable,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'turnover'), 0) AS turnover,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'vat_output'), 0) AS vat
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id WHERE e.event = 'invoice_issued' GROUP BY e.source_id) l
       ON l.source_id = i.id
WHERE i.state = 'issued' AND i.kind = 'invoice' AND (i.gross_minor, i.net_minor, i.tax_minor)
      IS DISTINCT FROM (coalesce(l.receivable, 0)::bigint, coalesce(l.turnover, 0)::bigint, coalesce(l.vat, 0)::bigint)
UNION ALL
SELECT e.id::text, format('%s has no %s %s', e.event, e.source_kind, e.source_id)
FROM journal_entry e
WHERE NOT ledger_fact_exists(e.source_kind, e.source_id)
   OR (e.source_kind = 'invoice' AND NOT EXISTS (SELECT FROM invoice x WHERE x.id = e.source_id AND x.state = 'issued'));

CREATE OR REPLACE VIEW invariant_i09_vat_is_documents WITH (security_invoker = true) AS
SELECT format('%s %s', coalesce(d.entity_id, l.entity_id), coalesce(d.period, l.period)) AS subject,
       format('documents %s, ledger %s', coalesce(d.tax, 0), coalesce(l.tax, 0)) AS detail
FROM (SELECT entity_id, to_char(issued_on, 'YYYY-MM') AS period, sum(tax_minor) AS tax FROM invoice WHERE state = 'issued'
      GROUP BY 1, 2) d
FULL JOIN (SELECT e.entity_id, e.period::text AS period, -sum(p.amount_minor) AS tax FROM posting p JOIN journal_entry e ON e.id = p.entry_id
           WHERE p.account = 'vat_output' GROUP BY 1, 2) l ON l.entity_id = d.entity_id AND l.period = d.period
WHERE coalesce(d.tax, 0) <> coalesce(l.tax, 0);

CREATE OR REPLACE VIEW invariant_i08_advances_match_memo WITH (security_invoker = true) AS
SELECT coalesce(g.invoice_id, m.invoice_id)::text AS subject,
       format('open advance %s, memo %s', coalesce(g.amount, 0), coalesce(m.amount, 0)) AS detail
FROM (SELECT a.invoice_id, a.amount_minor AS amount FROM guarantee_advance a JOIN invoice_open o ON o.invoice_id = a.invoice_id
      WHERE o.open_minor > 0) g
FULL JOIN (SELECT invoice_id, sum(amount_minor) AS amount FROM posting WHERE account = 'memo.advances' GROUP BY invoice_id
           HAVING sum(amount_minor) <> 0) m ON m.invoice_id = g.invoice_id
WHERE coalesce(g.amount, 0) <> coalesce(m.amount, 0);

CREATE OR REPLACE FUNCTION client_exposure(p_client uuid) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    WITH same AS (SELECT c.id FROM client c, client p
                  WHERE p.id = p_client AND (c.id = p.id OR c.vat_number = p.vat_number))
    SELECT (coalesce((SELECT sum(o.open_minor) FROM invoice_open o JOIN invoice i ON i.id = o.invoice_id
                      WHERE i.client_id IN (SELECT id FROM same)), 0)
          + coalesce((SELECT sum(greatest(0, r.gross_minor - coalesce((SELECT sum(i.gross_minor) FROM invoice i
                                                     WHERE i.order_id = r.id AND i.state = 'issued'), 0)))
                      FROM orders r JOIN guarantee_decision d ON d.order_id = r.id AND d.eligible
                      WHERE r.client_id IN (SELECT id FROM same)), 0))::bigint
$$;

DELETE FROM ledger_event WHERE event = 'credit_note_issued';

CREATE OR REPLACE FUNCTION check_allocation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    line_amount bigint;
    gross bigint;
BEGIN
    SELECT amount_minor INTO line_amount FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE;
    SELECT gross_minor INTO gross FROM invoice WHERE id = NEW.invoice_id AND state = 'issued' FOR UPDATE;
    IF gross IS NULL
       OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = NEW.bank_line_id) > line_amount
       OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE invoice_id = NEW.invoice_id) > gross THEN
        RAISE EXCEPTION 'allocation exceeds the bank line or the invoice'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'allocation_fits';
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER credit_note_at_once ON invoice;
DROP FUNCTION check_credit_note_issued;
DROP TRIGGER guard_credit_note ON invoice;
DROP FUNCTION guard_credit_note;
DROP TRIGGER guard_kind ON invoice;
DROP FUNCTION guard_document_kind;

ALTER TABLE invoice_line DROP CONSTRAINT credit_line_once, DROP COLUMN corrects_line;

DROP TRIGGER state_of_credit_note ON invoice;
DROP TRIGGER state ON invoice;
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON invoice FOR EACH ROW EXECUTE FUNCTION guard_state('invoice', 'member_id');

DROP INDEX invoice_credit_note;
ALTER TABLE invoice
    DROP CONSTRAINT credit_note_asks_nothing, DROP CONSTRAINT credit_note_corrects, DROP CONSTRAINT invoice_issued_whole,
    DROP CONSTRAINT invoice_kind_check, DROP COLUMN correction_reason, DROP COLUMN corrects_id,
    ADD CONSTRAINT invoice_kind_check CHECK (kind IN ('invoice')),
    ADD CONSTRAINT invoice_check2 CHECK ((seq IS NULL) = (number IS NULL) AND (seq IS NULL) = (issued_on IS NULL) AND (seq IS NULL) = (due_on IS NULL)
           AND (seq IS NULL) = (payment_reference IS NULL) AND (seq IS NULL) = (rule_set_id IS NULL)
           AND (seq IS NULL) = (seller_snapshot IS NULL) AND (seq IS NULL) = (buyer_snapshot IS NULL)
           AND (seq IS NULL) = (bank_account_id IS NULL) AND (seq IS NULL) = (series_year IS NULL));

DELETE FROM state_transition WHERE machine = 'credit_note';
ALTER TABLE document_series DROP CONSTRAINT document_series_series_check;
ALTER TABLE document_series ADD CONSTRAINT document_series_series_check CHECK (series IN ('invoice'));
