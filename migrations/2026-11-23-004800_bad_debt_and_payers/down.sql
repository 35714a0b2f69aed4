DROP TABLE payer_record;
DROP FUNCTION guard_payer_record();
DROP INDEX archived_file_dossier_once;
DROP TABLE vat_dossier;
DROP FUNCTION guard_vat_dossier();
DROP TABLE vat_refund_rule;
