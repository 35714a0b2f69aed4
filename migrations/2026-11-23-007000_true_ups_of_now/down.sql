DROP TRIGGER guard_trued_up_payout ON payout;
DROP FUNCTION guard_trued_up_payout();
CREATE OR REPLACE FUNCTION guard_true_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - '{state,decided_by,booked_on,version,difference_minor}'::text[])
       IS DISTINCT FROM (to_jsonb(OLD) - '{state,decided_by,booked_on,version,difference_minor}'::text[]) THEN
        RAISE EXCEPTION 'the facts of a true-up never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'true_up_immutable';
    END IF;
    IF TG_OP = 'INSERT' AND NOT EXISTS (
        SELECT FROM payout p JOIN pay_slip s ON s.payout_id = p.id WHERE p.id = NEW.payout_id AND p.state IN ('released', 'settled', 'returned')
          AND (s.entity_id, s.member_id, s.activity_id, s.currency) = (NEW.entity_id, NEW.member_id, NEW.activity_id, NEW.currency)) THEN
        RAISE EXCEPTION 'the wage of payout % has not left', NEW.payout_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'true_up_of_paid_wage';
    END IF;
    RETURN NEW;
END $$;
DROP VIEW wage_booked;
ALTER TABLE true_up ADD CONSTRAINT true_up_employer_booked_minor_check CHECK (employer_booked_minor >= 0);
ALTER TABLE true_up ADD CONSTRAINT true_up_employee_booked_minor_check CHECK (employee_booked_minor >= 0);
ALTER TABLE true_up ADD CONSTRAINT true_up_withheld_booked_minor_check CHECK (withheld_booked_minor >= 0);
ALTER TABLE wage_return DROP COLUMN employer_minor;
