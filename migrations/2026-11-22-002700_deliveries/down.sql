-- What clients disputed stays: as noted by the member.
ALTER TABLE invoice_dispute DROP CONSTRAINT invoice_dispute_somebody;
ALTER TABLE invoice_dispute DISABLE TRIGGER ends_once;
UPDATE invoice_dispute SET opened_by = member_id WHERE opened_by IS NULL;
ALTER TABLE invoice_dispute ENABLE TRIGGER ends_once;
ALTER TABLE invoice_dispute DROP COLUMN link_id;
ALTER TABLE invoice_dispute ALTER COLUMN opened_by SET NOT NULL;
DELETE FROM access_link WHERE purpose = 'invoice';
ALTER TABLE access_link DROP CONSTRAINT access_link_purpose_check;
ALTER TABLE access_link ADD CONSTRAINT access_link_purpose_check
    CHECK (purpose IN ('confirm_email', 'reset_password', 'order'));

DROP TABLE delivery_status, delivery;
DROP FUNCTION check_delivery_status;
DELETE FROM state_transition WHERE machine IN ('delivery', 'french_life_cycle');
