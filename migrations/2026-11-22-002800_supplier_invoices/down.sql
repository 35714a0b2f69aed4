DROP TABLE supplier_invoice;
DELETE FROM state_transition WHERE machine = 'supplier_invoice';
