DROP VIEW invariant_i33_flags_opened;
DROP INDEX session_device;
DROP FUNCTION payout_risk_facts(uuid[]);
DROP TRIGGER guard_flags_opened ON batch_approval;
DROP FUNCTION guard_flags_opened();
DROP TABLE risk_level;
DROP TABLE risk_flag_opening;
DROP TABLE risk_flag;
DROP TABLE payout_origin;
