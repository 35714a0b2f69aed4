DROP VIEW invariant_i44_charges_are_booked;
CREATE OR REPLACE VIEW invariant_i40_credits_are_kept WITH (security_invoker = true) AS
SELECT coalesce(coalesce(c.client_id, l.client_id)::text, 'nobody') AS subject, format('credited %s, ledger %s', coalesce(c.amount, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT g.client_id, sum(g.amount_minor
                 - (SELECT coalesce(sum(u.amount_minor), 0) FROM client_credit_use u WHERE u.credit_id = g.id)
                 - (SELECT coalesce(sum(r.amount_minor), 0) FROM client_refund r WHERE r.credit_id = g.id AND r.state = 'paid')) AS amount
      FROM client_credit g GROUP BY g.client_id) c
FULL JOIN (SELECT client_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'client_credit' GROUP BY client_id) l ON l.client_id = c.client_id
WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0);
DELETE FROM ledger_event WHERE event IN ('bank_charge_reversed', 'client_credit_withdrawn');
UPDATE ledger_event SET source_kind = 'bank_line' WHERE event = 'bank_charged';
DELETE FROM ledger_source WHERE kind = 'bank_charge';
CREATE OR REPLACE FUNCTION public.guard_bank_line()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
BEGIN
    IF to_jsonb(OLD) - '{state,matched_kind,matched_id,owner_id,version}'::text[]
       IS DISTINCT FROM to_jsonb(NEW) - '{state,matched_kind,matched_id,owner_id,version}'::text[]
       OR OLD.state = 'matched' AND (OLD.matched_kind, OLD.matched_id) IS DISTINCT FROM (NEW.matched_kind, NEW.matched_id)
          AND NOT EXISTS (SELECT FROM allocation WHERE bank_line_id = OLD.id AND reverses_id IS NOT NULL)
       OR OLD.state = 'matched' AND NEW.state = 'suspense'
          AND (SELECT coalesce(sum(amount_minor), 0) FROM allocation WHERE bank_line_id = OLD.id) <> 0 THEN
        RAISE EXCEPTION 'what the bank said never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_line_immutable';
    END IF;
    RETURN NEW;
END $function$;

DELETE FROM state_transition WHERE machine = 'client_refund' AND to_state = 'withdrawn' OR machine = 'bank_charge';
CREATE OR REPLACE FUNCTION public.check_credit_left()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
DECLARE
    given client_credit;
BEGIN
    SELECT * INTO given FROM client_credit WHERE id = NEW.credit_id FOR UPDATE;
    IF given.id IS NULL OR given.member_id <> NEW.member_id
       OR (SELECT coalesce(sum(amount_minor), 0) FROM client_credit_use WHERE credit_id = given.id)
          + (SELECT coalesce(sum(amount_minor), 0) FROM client_refund WHERE credit_id = given.id AND state IN ('approved', 'paid'))
          > given.amount_minor THEN
        RAISE EXCEPTION 'the credit of the client does not hold that much' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'client_credit_exceeded';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE VIEW bank_line_part WITH (security_invoker = true) AS
    SELECT bank_line_id, amount_minor FROM allocation
    UNION ALL SELECT bank_line_id, amount_minor FROM recovery
    UNION ALL SELECT bank_line_id, amount_minor FROM exchange_difference WHERE bank_line_id IS NOT NULL
    UNION ALL SELECT bank_line_id, amount_minor FROM client_credit
    UNION ALL SELECT c.bank_line_id, -u.amount_minor FROM client_credit_use u JOIN client_credit c ON c.id = u.credit_id;
DROP TABLE client_credit_withdrawal;
DROP FUNCTION check_credit_withdrawal();
DROP TABLE bank_charge;
DROP FUNCTION guard_bank_charge();
