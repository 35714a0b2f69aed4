-- Levies as they were: a flat share of what is invoiced. What was charged otherwise is forgotten with its columns.

DROP VIEW invariant_i18_arrears_not_negative, invariant_i17_levies_are_postings;
DELETE FROM ledger_event WHERE event IN ('levy_charged', 'arrears_settled');
DELETE FROM ledger_source WHERE kind IN ('levy_charge', 'arrears_settlement');
DROP TABLE arrears_settlement;

ALTER TABLE levy_charge RENAME TO levy_charge_after;
ALTER TABLE levy_charge_after RENAME CONSTRAINT levy_charge_pkey TO levy_charge_after_pkey;
ALTER INDEX levy_charge_rule_set RENAME TO levy_charge_after_rule_set;
CREATE TABLE levy_charge (
    invoice_id uuid NOT NULL REFERENCES invoice,
    kind text NOT NULL CHECK (kind IN ('fee', 'guarantee')),
    rule_set_id uuid NOT NULL REFERENCES rule_set,
    base_minor bigint NOT NULL,
    rate_ppm bigint NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (invoice_id, kind)
);
INSERT INTO levy_charge (invoice_id, kind, rule_set_id, base_minor, rate_ppm, amount_minor)
SELECT invoice_id, kind, rule_set_id, base_minor, coalesce(rate_ppm, 0), amount_minor FROM levy_charge_after WHERE source_kind = 'invoice';
DROP TABLE levy_charge_after;
DROP FUNCTION guard_issued_charge;
CREATE INDEX levy_charge_rule_set ON levy_charge (rule_set_id);
CREATE TRIGGER guard_issued BEFORE INSERT OR UPDATE OR DELETE ON levy_charge FOR EACH ROW EXECUTE FUNCTION guard_issued_parts();
ALTER TABLE levy_charge ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON levy_charge USING (EXISTS (SELECT FROM invoice i WHERE i.id = invoice_id));
GRANT SELECT, INSERT ON levy_charge TO umbel_app;

DROP TABLE levy_period;
DROP FUNCTION levies_for;
DROP TABLE levy_override;
DROP TABLE levy_exemption;
DROP FUNCTION guard_levy_term;
DROP FUNCTION levies_of;
DROP TABLE rule_set_band;
DROP TRIGGER levy_has_rate ON rule_set_levy;
DROP FUNCTION check_levy_has_rate;
DROP TRIGGER of_new_rule_set ON rule_set_levy;
DROP FUNCTION check_rule_set_is_new;

ALTER TABLE rule_set_levy
    DROP CONSTRAINT rule_set_levy_fixed_fits, DROP CONSTRAINT rule_set_levy_floor_fits, DROP CONSTRAINT rule_set_levy_running,
    DROP CONSTRAINT rule_set_levy_base_check,
    DROP COLUMN fixed_minor, DROP COLUMN cap_minor, DROP COLUMN floor_minor, DROP COLUMN running;
ALTER TABLE rule_set_levy DISABLE TRIGGER append_only;
UPDATE rule_set_levy SET rate_ppm = coalesce(rate_ppm, 0), base = 'invoiced_net' WHERE rate_ppm IS NULL OR base <> 'invoiced_net';
ALTER TABLE rule_set_levy ENABLE TRIGGER append_only;
ALTER TABLE rule_set_levy ALTER COLUMN rate_ppm SET NOT NULL,
    ADD CONSTRAINT rule_set_levy_base_check CHECK (base IN ('invoiced_net'));

DROP INDEX rule_set_evidence;
ALTER TABLE rule_set DROP COLUMN share_validity, DROP COLUMN pause_below_minor, DROP COLUMN fund_multiple_ppm,
    DROP COLUMN new_pair_limit_minor, DROP COLUMN member_limit_minor, DROP COLUMN evidence_id;
