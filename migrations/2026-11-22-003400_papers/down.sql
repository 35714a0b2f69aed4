DROP INDEX archived_file_reminder_once;
DROP TABLE payment_reminder;
DROP FUNCTION guard_payment_reminder();
DROP INDEX order_answer_document;
ALTER TABLE order_answer DROP CONSTRAINT order_answer_pdf, DROP COLUMN pdf_sha256;
DROP TABLE order_document;
ALTER TABLE archived_file DROP CONSTRAINT archived_file_id_sha256;
