DROP TABLE withholding_rate;
DROP TABLE pay_arrangement;
DROP TABLE pay_scheme_version;
DROP TABLE pay_scheme;
