-- Documents as they were before electronic invoices. Refused while there are discounts or charges on whole documents: a
-- document without them would not add up.
DO $$
BEGIN
    IF EXISTS (SELECT FROM invoice_line WHERE kind <> 'line') OR EXISTS (SELECT FROM order_line WHERE kind <> 'line') THEN
        RAISE EXCEPTION 'there are discounts or charges on whole documents';
    END IF;
END $$;

CREATE OR REPLACE VIEW invariant_i20_credits_fit WITH (security_invoker = true) AS
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

CREATE OR REPLACE FUNCTION guard_credit_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    corrected invoice;
BEGIN
    SELECT * INTO corrected FROM invoice WHERE id = NEW.corrects_id FOR NO KEY UPDATE;
    IF corrected.kind IS DISTINCT FROM 'invoice' OR corrected.state <> 'issued'
       OR (corrected.entity_id, corrected.member_id, corrected.activity_id, corrected.client_id, corrected.order_id, corrected.currency)
          IS DISTINCT FROM (NEW.entity_id, NEW.member_id, NEW.activity_id, NEW.client_id, NEW.order_id, NEW.currency)
       OR NEW.issued_on < corrected.issued_on
       OR EXISTS (SELECT FROM invoice_reduction r WHERE r.invoice_id = NEW.corrects_id AND r.kind = 'write_off') THEN
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

DROP INDEX archived_file_once;
CREATE UNIQUE INDEX archived_file_once ON archived_file (subject_id, kind) WHERE kind = 'invoice_pdf';

ALTER TABLE entity DROP COLUMN gln, DROP COLUMN electronic_address, DROP COLUMN contact_name, DROP COLUMN contact_phone;
ALTER TABLE client DROP COLUMN enterprise_number, DROP COLUMN gln, DROP COLUMN electronic_address, DROP COLUMN contact_name, DROP COLUMN contact_phone;
DROP TABLE invoice_purchase_order;
ALTER TABLE orders DROP COLUMN buyer_reference, DROP COLUMN purchase_order;
ALTER TABLE invoice_line DROP CONSTRAINT invoice_line_sign, DROP CONSTRAINT invoice_line_says_itself,
    DROP COLUMN kind, DROP COLUMN unit, DROP COLUMN unit_price_e4, DROP COLUMN adjustments, DROP COLUMN vat_justification;
ALTER TABLE order_line DROP CONSTRAINT order_line_sign, DROP CONSTRAINT order_line_says_itself,
    DROP COLUMN kind, DROP COLUMN unit, DROP COLUMN unit_price_e4, DROP COLUMN adjustments, DROP COLUMN vat_justification;
