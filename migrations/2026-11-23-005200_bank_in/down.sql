ALTER TABLE bank_statement DROP COLUMN lines_known;

ALTER TABLE archived_file DROP CONSTRAINT archived_file_packed_is_a_statement;
ALTER TABLE archived_file DROP CONSTRAINT archived_file_check;
ALTER TABLE archived_file DROP CONSTRAINT archived_file_hash_is_its_own;
ALTER TABLE archived_file DROP COLUMN packing;
ALTER TABLE archived_file ADD CONSTRAINT archived_file_check CHECK (octet_length(bytes) = size);
ALTER TABLE archived_file ADD CONSTRAINT archived_file_hash_is_its_own CHECK (sha256 = sha256(bytes));

ALTER TABLE bank_line DROP CONSTRAINT bank_line_matched_kind_check;
ALTER TABLE bank_line ADD CONSTRAINT bank_line_matched_kind_check CHECK (matched_kind IN
    ('redemption', 'invoice', 'cost', 'share', 'payout_settled', 'payout_returned', 'recovery'));
CREATE OR REPLACE FUNCTION guard_bank_line() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER AS $$
BEGIN
    IF to_jsonb(OLD) - '{state,matched_kind,matched_id,owner_id,version}'::text[]
       IS DISTINCT FROM to_jsonb(NEW) - '{state,matched_kind,matched_id,owner_id,version}'::text[]
       OR OLD.state = 'matched' AND (OLD.matched_kind, OLD.matched_id) IS DISTINCT FROM (NEW.matched_kind, NEW.matched_id) THEN
        RAISE EXCEPTION 'what the bank said never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_line_immutable';
    END IF;
    RETURN NEW;
END $$;
DELETE FROM state_transition WHERE (machine, from_state, to_state) = ('bank_line', 'matched', 'suspense');
DELETE FROM ledger_event WHERE event = 'payment_taken_back';

DROP TRIGGER check_recovered ON allocation;
CREATE TRIGGER check_recovered BEFORE INSERT ON allocation FOR EACH ROW EXECUTE FUNCTION check_allocation_after_recovery();
DROP TRIGGER check_allocation ON allocation;
CREATE TRIGGER check_allocation BEFORE INSERT ON allocation FOR EACH ROW EXECUTE FUNCTION check_allocation();
DROP TRIGGER a_check_taken_back ON allocation;
DROP FUNCTION check_taken_back();
DROP INDEX allocation_bank_line;
ALTER TABLE allocation DROP CONSTRAINT allocation_amount_minor_check;
ALTER TABLE allocation DROP COLUMN taken_back_by, DROP COLUMN reason, DROP COLUMN reverses_id;
ALTER TABLE allocation ADD CONSTRAINT allocation_amount_minor_check CHECK (amount_minor > 0);
ALTER TABLE allocation ADD CONSTRAINT allocation_once UNIQUE (bank_line_id, invoice_id);

DROP TABLE bank_notice_line, bank_notice;
DROP FUNCTION guard_bank_notice_line();
