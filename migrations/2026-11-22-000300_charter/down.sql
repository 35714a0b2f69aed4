DROP TABLE agreement, holiday, vat_rate, rule_set_levy, rule_set, entity_bank_account, entity;
