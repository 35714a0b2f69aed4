-- Shares that are given back in part, and notices that are taken back; the second of two invariants that shared the
-- number 23 gets one of its own.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('share', 'redeeming', 'paid'), ('redemption', 'noticed', 'withdrawn');

-- How many shares of a certificate were given back; the others are held.
ALTER TABLE share ADD COLUMN redeemed_quantity integer NOT NULL DEFAULT 0;
ALTER TABLE share DISABLE TRIGGER state;
UPDATE share SET redeemed_quantity = quantity WHERE state = 'redeemed';
ALTER TABLE share ENABLE TRIGGER state;
ALTER TABLE share ADD CONSTRAINT share_given_back
    CHECK (redeemed_quantity BETWEEN 0 AND quantity AND (state = 'redeemed') = (redeemed_quantity = quantity));
GRANT UPDATE (redeemed_quantity) ON share TO umbel_app;

-- One notice at a time; another one may follow for the rest.
ALTER TABLE redemption DROP CONSTRAINT redemption_once;
CREATE UNIQUE INDEX redemption_once ON redemption (share_id) WHERE state = 'noticed';
CREATE INDEX redemption_share ON redemption (share_id);
ALTER TABLE redemption ADD COLUMN withdrawn_on date CHECK (withdrawn_on >= noticed_on AND withdrawn_on <= due_on);
ALTER TABLE redemption DROP CONSTRAINT redemption_check2;
ALTER TABLE redemption ADD CONSTRAINT redemption_decided CHECK ((state IN ('noticed', 'withdrawn')) = (run_id IS NULL));
ALTER TABLE redemption ADD CONSTRAINT redemption_withdrawn CHECK ((state = 'withdrawn') = (withdrawn_on IS NOT NULL));
GRANT UPDATE (withdrawn_on) ON redemption TO umbel_app;

-- What one share was worth on a day. A member may ask and sees sums alone. Reserves that nobody may divide do not
-- count, nor does what a bank account held before the first statement.
CREATE OR REPLACE FUNCTION share_net_assets(p_entity uuid, p_on date)
RETURNS TABLE (capital_minor bigint, retained_minor bigint, result_minor bigint, share_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'share_capital'), 0)::bigint,
           coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'retained_surplus'), 0)::bigint,
           coalesce(-sum(p.amount_minor) FILTER (WHERE a.kind IN ('income', 'expense')), 0)::bigint,
           ((SELECT coalesce(sum(s.quantity), 0) FROM share s WHERE s.entity_id = p_entity AND s.subscribed_on <= p_on)
            - (SELECT coalesce(sum(r.quantity), 0) FROM redemption r WHERE r.entity_id = p_entity AND r.decided_on <= p_on))::bigint
    FROM posting p JOIN journal_entry e ON e.id = p.entry_id JOIN ledger_account a ON a.code = p.account
    WHERE e.entity_id = p_entity AND e.booked_on <= p_on
      AND (p.account IN ('share_capital', 'retained_surplus') OR a.kind IN ('income', 'expense'))
$$;

-- What members hold is capital; what is owed to them is what was decided and not yet paid; what was given back of a
-- certificate is what was decided about it.
CREATE OR REPLACE VIEW invariant_i14_shares_are_capital WITH (security_invoker = true) AS
SELECT coalesce(s.member_id, l.member_id)::text AS subject,
       format('register %s, ledger %s', coalesce(s.amount, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT member_id, sum((quantity - redeemed_quantity) * nominal_minor) AS amount FROM share GROUP BY member_id) s
FULL JOIN (SELECT member_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'share_capital' GROUP BY member_id) l
       ON l.member_id = s.member_id
WHERE coalesce(s.amount, 0) <> coalesce(l.amount, 0)
UNION ALL
SELECT coalesce(r.member_id, l.member_id)::text, format('to be paid back %s, ledger %s', coalesce(r.amount, 0), coalesce(l.amount, 0))
FROM (SELECT member_id, sum(amount_minor) AS amount FROM redemption WHERE state = 'decided' GROUP BY member_id) r
FULL JOIN (SELECT member_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'redemption_payable' GROUP BY member_id) l
       ON l.member_id = r.member_id
WHERE coalesce(r.amount, 0) <> coalesce(l.amount, 0)
UNION ALL
SELECT s.id::text, format('share %s, given back %s, decided %s, notices %s of %s', s.state, s.redeemed_quantity, r.decided, r.notices, r.noticed)
FROM share s CROSS JOIN LATERAL (
    SELECT coalesce(sum(quantity) FILTER (WHERE state IN ('decided', 'paid')), 0) AS decided,
           coalesce(sum(quantity) FILTER (WHERE state = 'noticed'), 0) AS noticed, count(*) FILTER (WHERE state = 'noticed') AS notices
    FROM redemption WHERE share_id = s.id) r
WHERE s.redeemed_quantity <> r.decided OR (s.state = 'redeeming') <> (r.notices = 1) OR r.noticed > s.quantity - s.redeemed_quantity;

ALTER VIEW invariant_i23_proofs_chain RENAME TO invariant_i26_proofs_chain;
