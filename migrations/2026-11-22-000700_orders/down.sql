DROP TABLE guarantee_decision, order_answer, order_version, order_line, orders;
DROP FUNCTION guard_sent_order, order_lines_of_draft;
DELETE FROM state_transition WHERE machine = 'order';
