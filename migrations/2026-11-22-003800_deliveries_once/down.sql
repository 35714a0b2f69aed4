DROP VIEW invariant_i28_deliveries_explained;
DROP TRIGGER guard_try ON delivery;
DROP FUNCTION guard_delivery_try;
