REVOKE ALL ON activity, invoice, levy_charge, levy_override, levy_exemption, allocation, cost, rule_set, rule_set_levy FROM umbel_replay;
REVOKE EXECUTE ON FUNCTION umbel_now, umbel_person, umbel_sees_all, umbel_owns, umbel_shares_activity, umbel_in_pool FROM umbel_replay;
REVOKE USAGE ON SCHEMA public FROM umbel_replay;
DROP INDEX invoice_replay;
DROP TABLE dry_run_month, dry_run_effect, dry_run, proposal, job_progress, job;
DROP FUNCTION guard_dry_run, guard_proposal, guard_job;
DELETE FROM state_transition WHERE machine IN ('job', 'proposal');
