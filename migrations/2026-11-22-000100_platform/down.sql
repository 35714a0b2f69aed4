DROP TABLE schedule_run, archived_file, email_message, outbox, idempotency_key, audit_log, state_history,
    state_transition, currency;
DROP FUNCTION step_version, guard_state, refuse_change, umbel_owns, umbel_sees_all, umbel_request, umbel_person, umbel_now;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
REVOKE USAGE ON SCHEMA public FROM umbel_app;
DROP EXTENSION btree_gist;
DROP EXTENSION citext;
