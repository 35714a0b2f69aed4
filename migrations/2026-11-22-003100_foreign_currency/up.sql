-- Invoices and orders in another currency than that of the books. The books stay in euro: `invoice` and its lines keep
-- what is booked, and beside them stands what the document says in its own currency, with the rate by which one became
-- the other.

-- What one euro is in a currency on a day, as it was published. A rate that was entered wrong stays, and another one
-- takes its place.
CREATE TABLE exchange_rate (
    id uuid PRIMARY KEY,
    currency char(3) NOT NULL REFERENCES currency CHECK (currency <> 'EUR'),
    on_date date NOT NULL,
    rate numeric(16, 6) NOT NULL CHECK (rate > 0),
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 100),
    replaces_id uuid,
    reason text CHECK (length(reason) BETWEEN 1 AND 500),
    entered_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    UNIQUE (id, currency, on_date),
    CONSTRAINT exchange_rate_replaced_once UNIQUE (replaces_id, currency, on_date),
    CONSTRAINT exchange_rate_replaces FOREIGN KEY (replaces_id, currency, on_date) REFERENCES exchange_rate (id, currency, on_date),
    CHECK ((replaces_id IS NULL) = (reason IS NULL))
);
CREATE UNIQUE INDEX exchange_rate_first ON exchange_rate (currency, on_date) WHERE replaces_id IS NULL;
CREATE INDEX exchange_rate_entered_by ON exchange_rate (entered_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON exchange_rate FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Euro in minor units out of minor units of a currency, half away from zero: without a division, so exactly.
CREATE FUNCTION is_in_euro(p_euro bigint, p_minor bigint, p_currency text, p_rate numeric) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT 2 * abs(p_euro::numeric * u.unit - p_minor::numeric * 100) <= u.unit
    FROM (SELECT p_rate * (10::numeric ^ exponent) AS unit FROM currency WHERE code = p_currency) u
$$;

CREATE TABLE invoice_currency (
    invoice_id uuid PRIMARY KEY REFERENCES invoice,
    currency char(3) NOT NULL REFERENCES currency CHECK (currency <> 'EUR'),
    exchange_rate_id uuid NOT NULL REFERENCES exchange_rate,
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    gross_minor bigint NOT NULL,
    CHECK (gross_minor = net_minor + tax_minor)
);
CREATE INDEX invoice_currency_rate ON invoice_currency (exchange_rate_id);
CREATE TABLE invoice_line_currency (
    invoice_id uuid NOT NULL REFERENCES invoice_currency,
    n integer NOT NULL CHECK (n > 0),
    unit_price_minor bigint NOT NULL,
    unit_price_e4 bigint CHECK (unit_price_e4 >= 0),
    adjustments jsonb NOT NULL CHECK (jsonb_typeof(adjustments) = 'array'),
    net_minor bigint NOT NULL,
    PRIMARY KEY (invoice_id, n)
);
CREATE TABLE invoice_tax_currency (
    invoice_id uuid NOT NULL REFERENCES invoice_currency,
    vat_case text NOT NULL,
    category text NOT NULL,
    rate_ppm bigint NOT NULL,
    base_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    PRIMARY KEY (invoice_id, vat_case, rate_ppm)
);
CREATE TRIGGER guard_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_currency FOR EACH ROW EXECUTE FUNCTION guard_issued_parts();
CREATE TRIGGER guard_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_line_currency FOR EACH ROW EXECUTE FUNCTION guard_issued_parts();
CREATE TRIGGER guard_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_tax_currency FOR EACH ROW EXECUTE FUNCTION guard_issued_parts();

-- At its issue a document in another currency adds up in that currency too, is booked by a rate of that currency line
-- by line, and a credit note by that of the invoice which it corrects.
CREATE FUNCTION guard_document_currency() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    said invoice_currency;
    rate exchange_rate;
    corrected invoice_currency;
BEGIN
    SELECT * INTO said FROM invoice_currency WHERE invoice_id = NEW.id;
    SELECT * INTO corrected FROM invoice_currency WHERE invoice_id = NEW.corrects_id;
    IF NEW.kind = 'credit_note' AND (said.currency, said.exchange_rate_id) IS DISTINCT FROM (corrected.currency, corrected.exchange_rate_id) THEN
        RAISE EXCEPTION 'credit note % is not in the currency of its invoice', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'document_currency';
    END IF;
    IF said.invoice_id IS NULL THEN
        RETURN NEW;
    END IF;
    SELECT * INTO rate FROM exchange_rate WHERE id = said.exchange_rate_id;
    IF rate.currency <> said.currency
       OR (SELECT count(*) FROM invoice_line l FULL JOIN invoice_line_currency c ON (c.invoice_id, c.n) = (l.invoice_id, l.n)
           WHERE coalesce(l.invoice_id, c.invoice_id) = NEW.id
             AND (l.n IS NULL OR c.n IS NULL OR sign(l.net_minor) * sign(c.net_minor) < 0
                  OR NEW.kind = 'invoice' AND NOT is_in_euro(l.net_minor, c.net_minor, said.currency, rate.rate))) > 0
       OR said.net_minor <> (SELECT coalesce(sum(net_minor), 0) FROM invoice_line_currency WHERE invoice_id = NEW.id)
       OR said.net_minor <> (SELECT coalesce(sum(base_minor), 0) FROM invoice_tax_currency WHERE invoice_id = NEW.id)
       OR said.tax_minor <> (SELECT coalesce(sum(tax_minor), 0) FROM invoice_tax_currency WHERE invoice_id = NEW.id) THEN
        RAISE EXCEPTION 'document % does not add up in its currency', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'document_currency';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_document_currency BEFORE UPDATE OF state ON invoice FOR EACH ROW
    WHEN (NEW.state = 'issued' AND OLD.state <> 'issued') EXECUTE FUNCTION guard_document_currency();

-- As before; of a line in another currency a part may come to nothing in euro.
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
               LEFT JOIN invoice_line_currency f ON (f.invoice_id, f.n) = (l.invoice_id, l.n)
               WHERE l.invoice_id = NEW.id AND (o.n IS NULL OR (o.vat_case, o.kind) <> (l.vat_case, l.kind)
                   OR l.net_minor * sign(o.net_minor) < 0 OR (l.net_minor = 0 AND coalesce(f.net_minor, 0) = 0)
                   OR abs(o.net_minor) < (SELECT abs(sum(x.net_minor)) FROM invoice_line x JOIN invoice c ON c.id = x.invoice_id
                                     WHERE c.corrects_id = NEW.corrects_id AND x.corrects_line = l.corrects_line)))
       OR EXISTS (SELECT FROM invoice_line l JOIN invoice_line_currency f ON (f.invoice_id, f.n) = (l.invoice_id, l.n)
                  LEFT JOIN invoice_line_currency o ON o.invoice_id = NEW.corrects_id AND o.n = l.corrects_line
                  WHERE l.invoice_id = NEW.id AND (o.n IS NULL OR f.net_minor * sign(o.net_minor) < 0
                      OR abs(o.net_minor) < (SELECT abs(sum(y.net_minor)) FROM invoice_line x JOIN invoice c ON c.id = x.invoice_id
                                             JOIN invoice_line_currency y ON (y.invoice_id, y.n) = (x.invoice_id, x.n)
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

-- The rate by which the guarantee judged an order in another currency when its client confirmed it.
CREATE TABLE order_currency (
    order_id uuid PRIMARY KEY REFERENCES orders,
    exchange_rate_id uuid NOT NULL REFERENCES exchange_rate
);
CREATE INDEX order_currency_rate ON order_currency (exchange_rate_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON order_currency FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What an invoice or a credit note says without VAT and with it, in its own currency.
CREATE FUNCTION document_amount(p_id uuid, p_net bigint, p_gross boolean) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT coalesce((SELECT CASE WHEN p_gross THEN gross_minor ELSE net_minor END FROM invoice_currency WHERE invoice_id = p_id), p_net)
$$;

-- As before, in the currency of the order, which is also that of its invoices.
CREATE OR REPLACE FUNCTION check_order_sum() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    ordered orders;
    invoiced bigint;
    is_balance boolean := EXISTS (SELECT FROM order_part WHERE invoice_id = NEW.id AND stage = 'balance');
BEGIN
    IF NEW.state = 'issued' AND NOT is_balance THEN
        RETURN NEW;
    END IF;
    SELECT * INTO ordered FROM orders WHERE id = NEW.order_id FOR NO KEY UPDATE;
    IF ordered.currency <> coalesce((SELECT currency FROM invoice_currency WHERE invoice_id = NEW.id), NEW.currency) THEN
        RAISE EXCEPTION 'invoice % is not in the currency of its order', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'currency_of_the_order';
    END IF;
    SELECT document_amount(NEW.id, NEW.net_minor, false)
         + coalesce(sum(CASE kind WHEN 'invoice' THEN 1 ELSE -1 END * document_amount(id, net_minor, false)), 0) INTO invoiced
    FROM invoice WHERE order_id = NEW.order_id AND id <> NEW.id AND state IN ('submitted', 'issued');
    IF invoiced > ordered.net_minor THEN
        RAISE EXCEPTION 'the invoices of order % would come to %', NEW.order_id, invoiced
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'order_amount_exceeded';
    END IF;
    IF is_balance AND invoiced <> ordered.net_minor THEN
        RAISE EXCEPTION 'with its balance the invoices of order % come to %', NEW.order_id, invoiced
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'balance_completes_order';
    END IF;
    RETURN NEW;
END $$;

-- What is not invoiced yet of a confirmed order, in euro: one in another currency by the rate of its confirmation.
CREATE FUNCTION order_left(p_order uuid, p_less_credits boolean) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT greatest(0, CASE WHEN x.rate IS NULL THEN l.minor ELSE round(l.minor * 100 / (x.rate * 10::numeric ^ c.exponent)) END)::bigint
    FROM orders r JOIN currency c ON c.code = r.currency
    LEFT JOIN order_currency o ON o.order_id = r.id LEFT JOIN exchange_rate x ON x.id = o.exchange_rate_id
    CROSS JOIN LATERAL (SELECT r.gross_minor - coalesce(sum(CASE i.kind WHEN 'credit_note' THEN -1 ELSE 1 END * document_amount(i.id, i.gross_minor, true)), 0) AS minor
                        FROM invoice i WHERE i.order_id = r.id AND i.state = 'issued' AND (p_less_credits OR i.kind = 'invoice')) l
    WHERE r.id = p_order
$$;
CREATE OR REPLACE FUNCTION client_exposure(p_client uuid) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    WITH same AS (SELECT c.id FROM client c, client p
                  WHERE p.id = p_client AND (c.id = p.id OR c.vat_number = p.vat_number))
    SELECT (coalesce((SELECT sum(greatest(0, o.open_minor)) FROM invoice_open o JOIN invoice i ON i.id = o.invoice_id
                      WHERE i.client_id IN (SELECT id FROM same)), 0)
          + coalesce((SELECT sum(order_left(r.id, true)) FROM orders r JOIN guarantee_decision d ON d.order_id = r.id AND d.eligible
                      WHERE r.client_id IN (SELECT id FROM same)), 0))::bigint
$$;
CREATE OR REPLACE FUNCTION guarantee_exposure(p_entity uuid, p_member uuid, p_client uuid)
RETURNS TABLE (client_minor bigint, member_minor bigint, pair_minor bigint, pair_has_paid boolean, is_disputed boolean, fund_minor bigint, advances_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    WITH same AS (SELECT c.id FROM client c, client p
                  WHERE p.id = p_client AND (c.id = p.id OR c.vat_number = p.vat_number)),
    open AS (SELECT i.client_id, o.open_minor AS amount FROM invoice_open o JOIN invoice i ON i.id = o.invoice_id
             WHERE i.member_id = p_member
             UNION ALL
             SELECT r.client_id, order_left(r.id, false)
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

-- What arrived in euro was a little less or more than was booked, because the rate moved: a loss closes the open rest
-- of an invoice, a gain explains the rest of the bank line that paid it. At most a twentieth of the invoice in all.
INSERT INTO ledger_account (code, kind, dimension) VALUES ('exchange_result', 'expense', 'invoice_id');
ALTER TABLE invoice_reduction DROP CONSTRAINT invoice_reduction_kind_check;
ALTER TABLE invoice_reduction ADD CONSTRAINT invoice_reduction_kind_check CHECK (kind IN ('credit_note', 'write_off', 'exchange_difference'));
CREATE TABLE exchange_difference (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    bank_line_id uuid REFERENCES bank_line CONSTRAINT exchange_gain_once UNIQUE,
    kind text NOT NULL CHECK (kind IN ('loss', 'gain')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    settled_on date NOT NULL,
    settled_by uuid NOT NULL REFERENCES person CONSTRAINT exchange_difference_by_another CHECK (settled_by <> member_id),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CHECK ((kind = 'gain') = (bank_line_id IS NOT NULL))
);
CREATE INDEX exchange_difference_entity ON exchange_difference (entity_id);
CREATE INDEX exchange_difference_invoice ON exchange_difference (invoice_id);
CREATE INDEX exchange_difference_member ON exchange_difference (member_id);
CREATE INDEX exchange_difference_settled_by ON exchange_difference (settled_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON exchange_difference FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE FUNCTION check_exchange_difference() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    of invoice;
BEGIN
    SELECT * INTO of FROM invoice WHERE id = NEW.invoice_id AND state = 'issued' AND kind = 'invoice' FOR UPDATE;
    IF of.id IS NULL OR (of.entity_id, of.member_id) IS DISTINCT FROM (NEW.entity_id, NEW.member_id)
       OR NOT EXISTS (SELECT FROM invoice_currency WHERE invoice_id = of.id)
       OR 20 * (NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM exchange_difference WHERE invoice_id = of.id)) > of.gross_minor
       OR NEW.kind = 'gain' AND (
           NOT EXISTS (SELECT FROM allocation WHERE (bank_line_id, invoice_id) = (NEW.bank_line_id, NEW.invoice_id))
           OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = NEW.bank_line_id)
                               + (SELECT coalesce(sum(amount_minor), 0) FROM recovery WHERE bank_line_id = NEW.bank_line_id)
              > (SELECT amount_minor FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE)) THEN
        RAISE EXCEPTION 'exchange difference of % does not fit invoice %', NEW.amount_minor, NEW.invoice_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'exchange_difference_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_fits BEFORE INSERT ON exchange_difference FOR EACH ROW EXECUTE FUNCTION check_exchange_difference();

-- As before; what is a gain of the rate pays nothing else.
CREATE OR REPLACE FUNCTION check_allocation_after_recovery() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = NEW.bank_line_id)
                        + (SELECT coalesce(sum(amount_minor), 0) FROM recovery WHERE bank_line_id = NEW.bank_line_id)
                        + (SELECT coalesce(sum(amount_minor), 0) FROM exchange_difference WHERE bank_line_id = NEW.bank_line_id)
       > (SELECT amount_minor FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE)
       OR EXISTS (SELECT FROM invoice_reduction WHERE invoice_id = NEW.invoice_id AND kind IN ('write_off', 'exchange_difference')) THEN
        RAISE EXCEPTION 'allocation exceeds the bank line or the invoice was given up' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'allocation_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION check_recovery() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    line_amount bigint;
    given_up bigint;
BEGIN
    SELECT amount_minor INTO line_amount FROM bank_line WHERE id = NEW.bank_line_id FOR UPDATE;
    SELECT amount_minor INTO given_up FROM write_off WHERE id = NEW.write_off_id AND state = 'approved' FOR UPDATE;
    IF given_up IS NULL
       OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = NEW.bank_line_id)
                           + (SELECT coalesce(sum(amount_minor), 0) FROM recovery WHERE bank_line_id = NEW.bank_line_id)
                           + (SELECT coalesce(sum(amount_minor), 0) FROM exchange_difference WHERE bank_line_id = NEW.bank_line_id) > line_amount
       OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM recovery WHERE write_off_id = NEW.write_off_id) > given_up THEN
        RAISE EXCEPTION 'recovery exceeds the bank line or the write-off'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'recovery_fits';
    END IF;
    IF NEW.claim_minor > 0 THEN
        UPDATE guarantee_claim SET recovered_minor = recovered_minor + NEW.claim_minor WHERE write_off_id = NEW.write_off_id;
    END IF;
    RETURN NEW;
END $$;

INSERT INTO ledger_source (kind, source_table) VALUES ('exchange_difference', 'exchange_difference');
INSERT INTO ledger_event (event, source_kind) VALUES ('exchange_settled', 'exchange_difference');

CREATE OR REPLACE VIEW invariant_i16_suspense_has_owner WITH (security_invoker = true) AS
SELECT coalesce(b.id, l.bank_line_id)::text AS subject,
       format('unmatched line %s, ledger %s', coalesce(b.rest, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT x.id, CASE WHEN x.state = 'suspense' THEN x.amount_minor::numeric
                        WHEN x.matched_kind IN ('invoice', 'recovery') THEN x.amount_minor::numeric
                            - (SELECT coalesce(sum(a.amount_minor), 0) FROM allocation a WHERE a.bank_line_id = x.id)
                            - (SELECT coalesce(sum(r.amount_minor), 0) FROM recovery r WHERE r.bank_line_id = x.id)
                            - (SELECT coalesce(sum(d.amount_minor), 0) FROM exchange_difference d WHERE d.bank_line_id = x.id)
                        ELSE 0::numeric END AS rest
      FROM bank_line x) b
FULL JOIN (SELECT bank_line_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'bank_suspense' GROUP BY bank_line_id
           HAVING sum(amount_minor) <> 0) l ON l.bank_line_id = b.id
WHERE coalesce(b.rest, 0) <> coalesce(l.amount, 0);

-- A document in another currency comes to what its lines say there; what is given back in full nets to nothing in both
-- currencies; a difference of the rate is booked as it was settled.
CREATE VIEW invariant_i27_currencies_agree WITH (security_invoker = true) AS
SELECT f.invoice_id::text AS subject, format('%s: net %s, lines %s', f.currency, f.net_minor, l.net) AS detail
FROM invoice_currency f CROSS JOIN LATERAL (SELECT coalesce(sum(net_minor), 0) AS net FROM invoice_line_currency x WHERE x.invoice_id = f.invoice_id) l
WHERE f.net_minor <> l.net
UNION ALL
SELECT f.invoice_id::text, format('%s %s given back of %s, and %s of %s EUR', s.gross, f.currency, f.gross_minor, s.euro, i.gross_minor)
FROM invoice_currency f JOIN invoice i ON i.id = f.invoice_id
CROSS JOIN LATERAL (SELECT coalesce(sum(x.gross_minor), 0) AS gross, coalesce(sum(c.gross_minor), 0) AS euro,
                           coalesce(sum(x.tax_minor), 0) AS tax, coalesce(sum(x.net_minor), 0) AS net
                    FROM invoice c JOIN invoice_currency x ON x.invoice_id = c.id WHERE c.corrects_id = f.invoice_id) s
WHERE s.net > f.net_minor OR s.tax > f.tax_minor OR s.euro > i.gross_minor
   OR (s.net = f.net_minor AND (s.gross <> f.gross_minor OR s.euro <> i.gross_minor))
UNION ALL
SELECT d.id::text, format('%s of %s, ledger %s, open amount %s', d.kind, d.amount_minor, l.amount, r.amount)
FROM exchange_difference d
CROSS JOIN LATERAL (SELECT coalesce(sum(p.amount_minor), 0) AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id
                    WHERE e.source_kind = 'exchange_difference' AND e.source_id = d.id AND p.account = 'exchange_result') l
CROSS JOIN LATERAL (SELECT coalesce(sum(x.amount_minor), 0) AS amount FROM invoice_reduction x WHERE x.kind = 'exchange_difference' AND x.source_id = d.id) r
WHERE l.amount <> CASE d.kind WHEN 'loss' THEN d.amount_minor ELSE -d.amount_minor END
   OR r.amount <> CASE d.kind WHEN 'loss' THEN d.amount_minor ELSE 0 END;

ALTER TABLE invoice_currency ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invoice_currency USING (EXISTS (SELECT FROM invoice i WHERE i.id = invoice_id));
ALTER TABLE invoice_line_currency ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invoice_line_currency USING (EXISTS (SELECT FROM invoice i WHERE i.id = invoice_id));
ALTER TABLE invoice_tax_currency ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invoice_tax_currency USING (EXISTS (SELECT FROM invoice i WHERE i.id = invoice_id));
ALTER TABLE order_currency ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON order_currency USING (EXISTS (SELECT FROM orders o WHERE o.id = order_id));
ALTER TABLE exchange_difference ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON exchange_difference USING (umbel_owns(member_id));

GRANT SELECT, INSERT ON exchange_rate, invoice_tax_currency, order_currency, exchange_difference TO umbel_app;
GRANT SELECT, INSERT, DELETE ON invoice_currency, invoice_line_currency TO umbel_app;
GRANT SELECT ON invariant_i27_currencies_agree TO umbel_app;
