DROP INDEX payout_replaces_once;
ALTER TABLE payout ADD CONSTRAINT payout_replaces_once UNIQUE (replaces_id);
DROP INDEX payout_desk_owner;
CREATE INDEX payout_desk_owner ON payout (desk_owner_id);
CREATE INDEX payout_entity ON payout (entity_id);
DROP TRIGGER guard_account_of_changed ON payout;
DROP TRIGGER guard_account_of_new ON payout;
DROP TRIGGER guard_payouts_moved ON payout;
DROP FUNCTION guard_payouts_moved();
DROP TRIGGER guard_payout_result ON payout;
DROP TRIGGER guard_payout ON payout;
DROP TRIGGER state_of_changed ON payout;
DROP TRIGGER state_of_new ON payout;
DROP TRIGGER version ON payout;
DROP FUNCTION guard_payout_states();
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION guard_state('payout', 'member_id');
CREATE OR REPLACE FUNCTION guard_payout() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF OLD.batch_id IS DISTINCT FROM NEW.batch_id AND EXISTS (
        SELECT FROM payout_batch WHERE id IN (OLD.batch_id, NEW.batch_id) AND state <> 'open') THEN
        RAISE EXCEPTION 'a sealed batch cannot be edited' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_sealed';
    END IF;
    IF (OLD.amount_minor, OLD.currency, OLD.member_id, OLD.activity_id, OLD.end_to_end_id, OLD.entity_id,
        OLD.beside_minor, OLD.rights_minor)
       IS DISTINCT FROM (NEW.amount_minor, NEW.currency, NEW.member_id, NEW.activity_id, NEW.end_to_end_id, NEW.entity_id,
                             NEW.beside_minor, NEW.rights_minor) THEN
        RAISE EXCEPTION 'the facts of a payout never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF OLD.state <> 'requested' AND OLD.payee_account_id IS DISTINCT FROM NEW.payee_account_id THEN
        RAISE EXCEPTION 'the account of an approved payout never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF OLD.state <> 'requested' AND (OLD.scheme, OLD.net_minor) IS DISTINCT FROM (NEW.scheme, NEW.net_minor) THEN
        RAISE EXCEPTION 'the net of an approved payout never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    -- What is sent is what the slip says; without a slip it is the whole amount.
    IF NEW.state = 'approved' AND OLD.state = 'requested' AND NEW.net_minor IS DISTINCT FROM
       (SELECT s.net_minor FROM pay_slip s WHERE s.payout_id = NEW.id) THEN
        RAISE EXCEPTION 'the net of payout % is not that of its slip', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_net_fits';
    END IF;
    IF NEW.state = 'released' AND OLD.state <> 'released' AND NOT EXISTS (
        SELECT FROM payout_batch WHERE id = NEW.batch_id AND state = 'released') THEN
        RAISE EXCEPTION 'a payout is released with its batch' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_release_with_batch';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout BEFORE UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION guard_payout();
CREATE TRIGGER guard_payout_result BEFORE UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION guard_payout_result();
CREATE OR REPLACE FUNCTION guard_payout_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state IN ('approved', 'batched', 'released') AND EXISTS (
        SELECT FROM payee_account a JOIN bank_detail_change c ON c.id = a.change_id
        WHERE a.id = NEW.payee_account_id AND c.requested_at > umbel_now() - interval '72 hours'
          AND NOT EXISTS (SELECT FROM bank_detail_callback k WHERE k.change_id = c.id AND k.confirmed_by IS NOT NULL)) THEN
        RAISE EXCEPTION 'the account of payout % is too young', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_account_too_young';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout_account BEFORE INSERT OR UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION guard_payout_account();
CREATE OR REPLACE FUNCTION guard_payout_hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (OLD.state, NEW.state) IN (('requested', 'approved'), ('approved', 'batched'), ('batched', 'released'))
       AND EXISTS (SELECT FROM payout_hold WHERE lifted_at IS NULL) AND is_payout_held(NEW.id, NEW.member_id, NEW.payee_account_id) THEN
        RAISE EXCEPTION 'payout % is on hold', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_on_hold';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout_hold BEFORE UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION guard_payout_hold();
