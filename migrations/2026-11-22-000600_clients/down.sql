DROP TABLE vat_check, client;
