DROP VIEW invariant_i39_plan_runs_pay_once;
DROP TABLE payout_plan_run, payout_plan_version, payout_plan;
DROP FUNCTION check_payout_plan_run;
DROP FUNCTION guard_payout_plan;
DELETE FROM state_transition WHERE machine = 'payout_plan';
DROP TABLE payout_cut_off;
DELETE FROM holiday WHERE country IN ('FR', 'DE', 'IT', 'EU');
