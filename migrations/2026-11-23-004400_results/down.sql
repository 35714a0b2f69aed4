DROP VIEW invariant_i35_sent_once;

CREATE OR REPLACE VIEW invariant_i31_wages_are_slips WITH (security_invoker = true) AS
SELECT coalesce(s.payout_id, l.source_id)::text AS subject,
       format('slip %s/%s, ledger %s/%s', coalesce(s.social, 0), coalesce(s.tax, 0), coalesce(l.social, 0), coalesce(l.tax, 0)) AS detail
FROM (SELECT s.payout_id, s.employer_minor + s.employee_minor AS social, s.levy_minor + s.withheld_minor + s.rights_withheld_minor AS tax
      FROM pay_slip s JOIN payout p ON p.id = s.payout_id WHERE p.state IN ('released', 'settled')) s
FULL JOIN (SELECT e.source_id, -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable'), 0) AS social,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable'), 0) AS tax
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE e.event IN ('payout_released', 'payout_returned') AND p.account IN ('social_security_payable', 'withholding_payable')
           GROUP BY e.source_id
           HAVING sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable') <> 0
               OR sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable') <> 0) l ON l.source_id = s.payout_id
WHERE (coalesce(s.social, 0), coalesce(s.tax, 0)) IS DISTINCT FROM (coalesce(l.social, 0)::bigint, coalesce(l.tax, 0)::bigint);

CREATE OR REPLACE VIEW invariant_i10_in_transit_is_released WITH (security_invoker = true) AS
SELECT coalesce(p.id, l.payout_id)::text AS subject,
       format('in transit %s, ledger %s', coalesce(p.sent, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT id, coalesce(net_minor, amount_minor) AS sent FROM payout WHERE state = 'released') p
FULL JOIN (SELECT payout_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'payouts_in_transit' GROUP BY payout_id
           HAVING sum(amount_minor) <> 0) l ON l.payout_id = p.id
WHERE coalesce(p.sent, 0) <> coalesce(l.amount, 0);

CREATE OR REPLACE VIEW pay_slip_counted WITH (security_invoker = true) AS
SELECT s.payout_id, s.member_id, s.activity_id, s.computed_on, s.rights_minor, s.created_at
FROM pay_slip s JOIN payout p ON p.id = s.payout_id WHERE p.state NOT IN ('cancelled', 'refused', 'returned');

DROP TRIGGER guard_replacement ON payout;
DROP TRIGGER guard_payout_result ON payout;
DROP FUNCTION guard_replacement, guard_payout_result;
DROP TABLE payout_decision, bank_report_line, bank_report;
DROP FUNCTION guard_payout_decision;
DROP INDEX payout_desk;
ALTER TABLE payout DROP CONSTRAINT payout_batch_by_state;
ALTER TABLE payout ADD CHECK ((state IN ('batched', 'released', 'settled', 'returned')) = (batch_id IS NOT NULL));
ALTER TABLE payout DROP COLUMN replaces_id, DROP COLUMN desk_closed_at, DROP COLUMN desk_since;
DELETE FROM ledger_event WHERE event = 'payout_rejected';
DELETE FROM state_transition WHERE machine = 'payout_decision'
    OR (machine = 'payout' AND (from_state IN ('rejected', 'unknown', 'confirmed') OR to_state IN ('rejected', 'unknown', 'confirmed')));
