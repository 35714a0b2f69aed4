DROP TRIGGER guard_member_pause ON collection_pause;
DROP FUNCTION guard_member_pause();
CREATE OR REPLACE FUNCTION guard_approval_amount() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.loosens := coalesce(approvers_of_threshold(NEW.entity_id, NEW.from_minor, NEW.valid_from, umbel_now()) > NEW.approvers, false);
        IF NEW.agreed_by IS NOT NULL THEN
            RAISE EXCEPTION 'nobody agrees before it is decided' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_amount_agreed_later';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.agreed_by IS NOT NULL OR NEW.agreed_by IS NULL
       OR (OLD.id, OLD.entity_id, OLD.from_minor, OLD.approvers, OLD.valid_from, OLD.loosens, OLD.decided_by)
          IS DISTINCT FROM (NEW.id, NEW.entity_id, NEW.from_minor, NEW.approvers, NEW.valid_from, NEW.loosens, NEW.decided_by) THEN
        RAISE EXCEPTION 'a threshold is agreed to once' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_amount_agreed_later';
    END IF;
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
