-- A second belt for what leaves the house: a try begins only when none is under way, and what was handed over stays
-- explained by the document it belongs to.

CREATE FUNCTION guard_delivery_try() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.attempts <> OLD.attempts + 1 OR OLD.state = 'sending' OR NEW.state <> 'sending' THEN
        RAISE EXCEPTION 'a delivery is tried again only when no try is under way'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'delivery_one_try';
    END IF;
    RETURN NEW;
END $$;
-- By the column and not by its value: two that begin at one moment write the same number.
CREATE TRIGGER guard_try BEFORE UPDATE OF attempts ON delivery FOR EACH ROW EXECUTE FUNCTION guard_delivery_try();

CREATE VIEW invariant_i28_deliveries_explained WITH (security_invoker = true) AS
    SELECT d.id::text AS subject, 'it belongs to another member or entity than its document' AS detail
    FROM delivery d JOIN invoice i ON i.id = d.invoice_id
    WHERE (i.member_id, i.entity_id) IS DISTINCT FROM (d.member_id, d.entity_id)
    UNION ALL
    SELECT d.id::text, 'its document was never issued' FROM delivery d JOIN invoice i ON i.id = d.invoice_id WHERE i.state <> 'issued'
    UNION ALL
    SELECT d.id::text, 'it is ' || d.state || ' and was never tried' FROM delivery d
    WHERE d.channel <> 'by_hand' AND d.channel <> 'french_platform' AND d.attempts = 0 AND d.state <> 'queued'
    UNION ALL
    SELECT d.id::text, 'it was tried ' || d.attempts || ' times and its history says ' || count(h.id)
    FROM delivery d LEFT JOIN state_history h ON h.machine = 'delivery' AND h.subject_id = d.id AND h.to_state = 'sending'
    GROUP BY d.id, d.attempts HAVING count(h.id) <> d.attempts;
GRANT SELECT ON invariant_i28_deliveries_explained TO umbel_app;
