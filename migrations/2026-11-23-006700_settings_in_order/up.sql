-- Fewer approvals never come by an earlier decision for a later day, and a member holds a claim back for a bounded time.

-- As before, but one decision at a time, and none that a later day undercuts: a number that was decided for a later day,
-- and that would be fewer than what holds before it, was compared with less. That day is to be decided first.
CREATE OR REPLACE FUNCTION guard_approval_amount() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('approval amounts ' || NEW.entity_id, 0));
    IF TG_OP = 'INSERT' THEN
        NEW.loosens := coalesce(approvers_of_threshold(NEW.entity_id, NEW.from_minor, NEW.valid_from, umbel_now()) > NEW.approvers, false);
        IF NEW.agreed_by IS NOT NULL THEN
            RAISE EXCEPTION 'nobody agrees before it is decided' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_amount_agreed_later';
        END IF;
    ELSE
        IF OLD.agreed_by IS NOT NULL OR NEW.agreed_by IS NULL
           OR (OLD.id, OLD.entity_id, OLD.from_minor, OLD.approvers, OLD.valid_from, OLD.loosens, OLD.decided_by)
              IS DISTINCT FROM (NEW.id, NEW.entity_id, NEW.from_minor, NEW.approvers, NEW.valid_from, NEW.loosens, NEW.decided_by) THEN
            RAISE EXCEPTION 'a threshold is agreed to once' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_amount_agreed_later';
        END IF;
        NEW.version := OLD.version + 1;
    END IF;
    IF NOT NEW.loosens AND EXISTS (
        SELECT FROM approval_amount l
        WHERE l.entity_id = NEW.entity_id AND l.from_minor = NEW.from_minor AND l.valid_from > NEW.valid_from
          AND (NOT l.loosens OR l.agreed_by IS NOT NULL)
          AND approvers_of_threshold(l.entity_id, l.from_minor, l.valid_from, umbel_now()) < NEW.approvers) THEN
        RAISE EXCEPTION 'fewer are decided for a later day' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_amount_in_order';
    END IF;
    RETURN NEW;
END $$;

-- What a member opens alone ends by itself, soon enough that the claim is not lost, and not again and again: the mutual
-- may have advanced the money. The office may hold longer.
CREATE FUNCTION guard_member_pause() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.opened_by <> NEW.member_id THEN
        RETURN NEW;
    END IF;
    IF NEW.until_on IS NULL OR NEW.until_on - NEW.started_on > (CASE NEW.kind WHEN 'hold' THEN 30 ELSE 90 END) THEN
        RAISE EXCEPTION 'a member does not hold a claim back that long' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'collection_pause_member_until';
    END IF;
    IF (SELECT count(*) FROM collection_pause p WHERE p.invoice_id = NEW.invoice_id AND p.opened_by = p.member_id) >= 3 THEN
        RAISE EXCEPTION 'a member does not hold a claim back that often' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'collection_pause_member_often';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_member_pause BEFORE INSERT ON collection_pause FOR EACH ROW EXECUTE FUNCTION guard_member_pause();
