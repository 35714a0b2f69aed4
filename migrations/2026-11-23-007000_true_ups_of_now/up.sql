-- What is booked of a wage now, whatever happened to it and in which order: its slip unless the bank refused it, less what was
-- taken back when it came back, and every difference that was confirmed since. A true-up starts from exactly this, when it is
-- brought in and again when it is confirmed, so that nothing is borne or given back twice.

-- The employer's part of what was taken back, so that both parts are known.
ALTER TABLE wage_return ADD COLUMN employer_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE wage_return DISABLE TRIGGER append_only;
UPDATE wage_return r SET employer_minor = r.social_minor - least(r.social_minor, s.employee_minor) FROM pay_slip s WHERE s.payout_id = r.payout_id;
ALTER TABLE wage_return ENABLE TRIGGER append_only;
ALTER TABLE wage_return ALTER COLUMN employer_minor DROP DEFAULT;
ALTER TABLE wage_return ADD CONSTRAINT wage_return_parts CHECK (employer_minor BETWEEN 0 AND social_minor);

-- What is booked may be below zero: a difference was given back, and then the wage itself came back.
ALTER TABLE true_up DROP CONSTRAINT true_up_employer_booked_minor_check;
ALTER TABLE true_up DROP CONSTRAINT true_up_employee_booked_minor_check;
ALTER TABLE true_up DROP CONSTRAINT true_up_withheld_booked_minor_check;

CREATE VIEW wage_booked WITH (security_invoker = true) AS
SELECT s.payout_id, s.member_id, w.is_owed,
       (CASE WHEN w.is_owed THEN s.employer_minor - coalesce(r.employer_minor, 0) ELSE 0 END + t.employer)::bigint AS employer_minor,
       (CASE WHEN w.is_owed THEN s.employee_minor - coalesce(r.social_minor - r.employer_minor, 0) ELSE 0 END + t.employee)::bigint AS employee_minor,
       (CASE WHEN w.is_owed THEN s.withheld_minor + s.rights_withheld_minor + s.levy_minor - coalesce(r.tax_minor, 0) ELSE 0 END
           + t.withheld)::bigint AS withheld_minor,
       (t.employer, t.employee, t.withheld) IS DISTINCT FROM (0, 0, 0) AS is_trued_up
FROM pay_slip s
JOIN payout p ON p.id = s.payout_id
CROSS JOIN LATERAL (SELECT p.state IN ('released', 'settled', 'returned', 'unknown', 'confirmed') AS is_owed) w
LEFT JOIN wage_return r ON r.payout_id = s.payout_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(employer_actual_minor - employer_booked_minor), 0)::bigint AS employer,
           coalesce(sum(employee_actual_minor - employee_booked_minor), 0)::bigint AS employee,
           coalesce(sum(withheld_actual_minor - withheld_booked_minor), 0)::bigint AS withheld
    FROM true_up WHERE payout_id = s.payout_id AND state = 'confirmed') t;
GRANT SELECT ON wage_booked TO umbel_app;

-- Only the state of a proposal changes; it is about a wage that left, or sets one that the bank refused back to nothing; and what
-- it says is booked is what is booked, on both days.
CREATE OR REPLACE FUNCTION guard_true_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    booked wage_booked;
BEGIN
    IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - '{state,decided_by,booked_on,version,difference_minor}'::text[])
       IS DISTINCT FROM (to_jsonb(OLD) - '{state,decided_by,booked_on,version,difference_minor}'::text[]) THEN
        RAISE EXCEPTION 'the facts of a true-up never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'true_up_immutable';
    END IF;
    IF NEW.state = 'rejected' THEN
        RETURN NEW;
    END IF;
    -- Whatever happens to the payout waits until this is done, or this waits and sees it.
    PERFORM FROM payout p WHERE p.id = NEW.payout_id FOR SHARE;
    SELECT b.* INTO booked FROM wage_booked b JOIN pay_slip s ON s.payout_id = b.payout_id
    WHERE b.payout_id = NEW.payout_id AND (s.entity_id, s.member_id, s.activity_id, s.currency) = (NEW.entity_id, NEW.member_id, NEW.activity_id, NEW.currency);
    IF booked IS NULL OR NOT booked.is_owed AND (NOT booked.is_trued_up
       OR (NEW.employer_actual_minor, NEW.employee_actual_minor, NEW.withheld_actual_minor) IS DISTINCT FROM (0::bigint, 0::bigint, 0::bigint)) THEN
        RAISE EXCEPTION 'the wage of payout % has not left', NEW.payout_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'true_up_of_paid_wage';
    END IF;
    IF (booked.employer_minor, booked.employee_minor, booked.withheld_minor)
       IS DISTINCT FROM (NEW.employer_booked_minor, NEW.employee_booked_minor, NEW.withheld_booked_minor) THEN
        RAISE EXCEPTION 'what is booked of payout % changed', NEW.payout_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'true_up_of_now';
    END IF;
    RETURN NEW;
END $$;

-- A payout that the bank refused ends only when nothing of an earlier difference is left of it.
CREATE FUNCTION guard_trued_up_payout() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM wage_booked b WHERE b.payout_id = NEW.id AND b.is_trued_up) THEN
        RAISE EXCEPTION 'differences of payout % are booked', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_true_ups_first';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_trued_up_payout BEFORE UPDATE ON payout FOR EACH ROW
    WHEN (NEW.state IN ('replaced', 'given_back') AND OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION guard_trued_up_payout();
