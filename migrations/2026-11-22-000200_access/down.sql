DROP FUNCTION umbel_enter;
DROP TABLE access_link, refresh_token, session, role_grant, sign_in_failure, person;
DROP FUNCTION guard_grant;
