DROP TABLE entity_design;
