DELETE FROM state_transition WHERE machine = 'payout' AND from_state = 'confirmed' AND to_state IN ('rejected', 'replaced', 'given_back');
CREATE OR REPLACE FUNCTION guard_replacement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.replaces_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM payout p WHERE p.id = NEW.replaces_id AND p.state IN ('rejected', 'unknown')
          AND (p.member_id, p.activity_id, p.entity_id, p.amount_minor, p.currency)
            = (NEW.member_id, NEW.activity_id, NEW.entity_id, NEW.amount_minor, NEW.currency)) THEN
        RAISE EXCEPTION 'payout % replaces nothing that waits', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_replaces_fits';
    END IF;
    RETURN NEW;
END $$;
