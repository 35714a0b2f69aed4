DROP TABLE bank_csv_profile;
