DROP VIEW invariant_i23_proofs_chain;
CREATE OR REPLACE VIEW invariant_i15_solvent WITH (security_invoker = true) AS
SELECT s.entity_id::text AS subject, format('owed %s, held %s', s.owed, s.held) AS detail
FROM (SELECT e.entity_id,
             -coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN
                 ('funds.available', 'funds.reserved', 'payouts_in_transit', 'vat_output')), 0) AS owed,
             coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN ('bank', 'receivable')), 0) AS held
      FROM posting p JOIN journal_entry e ON e.id = p.entry_id GROUP BY e.entity_id) s
WHERE s.owed > s.held;
DROP FUNCTION fund_exposures, last_entry_settled, solvency_components, solvency_activities, solvency_receivables;
DROP TABLE solvency_leaf, solvency_proof;
DROP FUNCTION check_proof;
