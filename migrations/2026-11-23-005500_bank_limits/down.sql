DROP VIEW invariant_i41_files_fit_their_bank;
DROP TRIGGER guard_batch_limit ON payout_batch;
DROP FUNCTION guard_batch_limit();
DROP TRIGGER guard_batch_account ON payout_batch;
DROP FUNCTION guard_batch_account();
DROP FUNCTION within_bank_limit(uuid, date, timestamptz, bigint, bigint);
DROP TABLE bank_limit;
