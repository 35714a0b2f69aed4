DROP VIEW invariant_i27_currencies_agree;
CREATE OR REPLACE VIEW invariant_i16_suspense_has_owner WITH (security_invoker = true) AS
 SELECT (COALESCE(b.id, l.bank_line_id))::text AS subject,
    format('unmatched line %s, ledger %s'::text, COALESCE(b.rest, (0)::numeric), COALESCE(l.amount, (0)::numeric)) AS detail
   FROM (( SELECT x.id,
                CASE
                    WHEN (x.state = 'suspense'::text) THEN (x.amount_minor)::numeric
                    WHEN (x.matched_kind = ANY (ARRAY['invoice'::text, 'recovery'::text])) THEN (((x.amount_minor)::numeric - ( SELECT COALESCE(sum(a.amount_minor), (0)::numeric) AS "coalesce"
                       FROM allocation a
                      WHERE (a.bank_line_id = x.id))) - ( SELECT COALESCE(sum(r.amount_minor), (0)::numeric) AS "coalesce"
                       FROM recovery r
                      WHERE (r.bank_line_id = x.id)))
                    ELSE (0)::numeric
                END AS rest
           FROM bank_line x) b
     FULL JOIN ( SELECT posting.bank_line_id,
            (- sum(posting.amount_minor)) AS amount
           FROM posting
          WHERE (posting.account = 'bank_suspense'::text)
          GROUP BY posting.bank_line_id
         HAVING (sum(posting.amount_minor) <> (0)::numeric)) l ON ((l.bank_line_id = b.id)))
  WHERE (COALESCE(b.rest, (0)::numeric) <> COALESCE(l.amount, (0)::numeric));
DELETE FROM ledger_event WHERE event = 'exchange_settled';
DELETE FROM ledger_source WHERE kind = 'exchange_difference';
CREATE OR REPLACE FUNCTION public.check_recovery()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
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
END $function$
;
CREATE OR REPLACE FUNCTION public.check_allocation_after_recovery()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
BEGIN
    IF NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = NEW.bank_line_id)
                        + (SELECT coalesce(sum(amount_minor), 0) FROM recovery WHERE bank_line_id = NEW.bank_line_id)
       > (SELECT amount_minor FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE)
       OR EXISTS (SELECT FROM invoice_reduction WHERE invoice_id = NEW.invoice_id AND kind = 'write_off') THEN
        RAISE EXCEPTION 'allocation exceeds the bank line or the invoice was given up' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'allocation_fits';
    END IF;
    RETURN NEW;
END $function$
;
CREATE OR REPLACE FUNCTION public.guarantee_exposure(p_entity uuid, p_member uuid, p_client uuid)
 RETURNS TABLE(client_minor bigint, member_minor bigint, pair_minor bigint, pair_has_paid boolean, is_disputed boolean, fund_minor bigint, advances_minor bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
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
$function$
;
CREATE OR REPLACE FUNCTION public.client_exposure(p_client uuid)
 RETURNS bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
    WITH same AS (SELECT c.id FROM client c, client p
                  WHERE p.id = p_client AND (c.id = p.id OR c.vat_number = p.vat_number))
    SELECT (coalesce((SELECT sum(greatest(0, o.open_minor)) FROM invoice_open o JOIN invoice i ON i.id = o.invoice_id
                      WHERE i.client_id IN (SELECT id FROM same)), 0)
          + coalesce((SELECT sum(greatest(0, r.gross_minor - coalesce((SELECT sum(CASE i.kind WHEN 'credit_note' THEN -i.gross_minor ELSE i.gross_minor END)
                                                     FROM invoice i WHERE i.order_id = r.id AND i.state = 'issued'), 0)))
                      FROM orders r JOIN guarantee_decision d ON d.order_id = r.id AND d.eligible
                      WHERE r.client_id IN (SELECT id FROM same)), 0))::bigint
$function$
;
CREATE OR REPLACE FUNCTION public.check_order_sum()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
DECLARE
    ordered bigint;
    invoiced bigint;
    is_balance boolean := EXISTS (SELECT FROM order_part WHERE invoice_id = NEW.id AND stage = 'balance');
BEGIN
    IF NEW.state = 'issued' AND NOT is_balance THEN
        RETURN NEW;
    END IF;
    SELECT net_minor INTO ordered FROM orders WHERE id = NEW.order_id FOR NO KEY UPDATE;
    SELECT NEW.net_minor + coalesce(sum(CASE kind WHEN 'invoice' THEN net_minor ELSE -net_minor END), 0) INTO invoiced
    FROM invoice WHERE order_id = NEW.order_id AND id <> NEW.id AND state IN ('submitted', 'issued');
    IF invoiced > ordered THEN
        RAISE EXCEPTION 'the invoices of order % would come to %', NEW.order_id, invoiced
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'order_amount_exceeded';
    END IF;
    IF is_balance AND invoiced <> ordered THEN
        RAISE EXCEPTION 'with its balance the invoices of order % come to %', NEW.order_id, invoiced
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'balance_completes_order';
    END IF;
    RETURN NEW;
END $function$
;
CREATE OR REPLACE FUNCTION public.guard_credit_note()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
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
               WHERE l.invoice_id = NEW.id AND (o.n IS NULL OR (o.vat_case, o.kind) <> (l.vat_case, l.kind) OR l.net_minor * sign(o.net_minor) <= 0
                   OR abs(o.net_minor) < (SELECT abs(sum(x.net_minor)) FROM invoice_line x JOIN invoice c ON c.id = x.invoice_id
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
END $function$
;
DROP TABLE exchange_difference;
DROP FUNCTION check_exchange_difference();
ALTER TABLE invoice_reduction DROP CONSTRAINT invoice_reduction_kind_check;
ALTER TABLE invoice_reduction ADD CONSTRAINT invoice_reduction_kind_check CHECK (kind IN ('credit_note', 'write_off'));
DELETE FROM ledger_account WHERE code = 'exchange_result';
DROP FUNCTION order_left(uuid, boolean);
DROP FUNCTION document_amount(uuid, bigint, boolean);
DROP TABLE order_currency;
DROP TRIGGER guard_document_currency ON invoice;
DROP FUNCTION guard_document_currency();
DROP TABLE invoice_tax_currency, invoice_line_currency, invoice_currency;
DROP FUNCTION is_in_euro(bigint, bigint, text, numeric);
DROP TABLE exchange_rate;
