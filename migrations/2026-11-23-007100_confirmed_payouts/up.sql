-- What two people take for carried out is not over before the bank shows it: it stays on the desk, and when the bank says that it
-- refused it, or nothing ever shows it, it ends as one that the bank is silent about does.
INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('payout', 'confirmed', 'rejected'), ('payout', 'confirmed', 'replaced'), ('payout', 'confirmed', 'given_back');
UPDATE payout SET desk_closed_at = NULL WHERE state = 'confirmed' AND desk_closed_at IS NOT NULL;

CREATE OR REPLACE FUNCTION guard_replacement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.replaces_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM payout p WHERE p.id = NEW.replaces_id AND p.state IN ('rejected', 'unknown', 'confirmed')
          AND (p.member_id, p.activity_id, p.entity_id, p.amount_minor, p.currency)
            = (NEW.member_id, NEW.activity_id, NEW.entity_id, NEW.amount_minor, NEW.currency)) THEN
        RAISE EXCEPTION 'payout % replaces nothing that waits', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_replaces_fits';
    END IF;
    RETURN NEW;
END $$;
