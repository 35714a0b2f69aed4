//! The one error of the program, and what it is over HTTP (RFC 9457).

use std::error::Error as StdError;
use std::fmt;

use actix_web::http::StatusCode;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use serde_json::{Map, Value};

use crate::kernel::refusal::{FieldRefusal, Refusal, RefusalKind};

/// The result of everything that can be refused or fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
///
/// `code` is stable; the texts come from the catalogues when the answer is written. `source` is for the log only.
#[derive(Debug)]
pub struct Error {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable code.
    pub code: &'static str,
    /// Values for the text.
    pub params: Vec<(&'static str, String)>,
    /// Fields that were not acceptable.
    pub fields: Vec<FieldRefusal>,
    /// Seconds after which a retry makes sense.
    pub retry_after: Option<u64>,
    /// The object as it is now, for a stale version.
    pub current: Option<Box<Value>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of a status and a code.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, params: Vec::new(), fields: Vec::new(), retry_after: None, current: None, source: None }
    }

    /// The request is not understood (400).
    #[must_use]
    pub fn bad_request(code: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code)
    }

    /// Nobody is signed in, or no longer (401).
    #[must_use]
    pub fn unauthorized(code: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code)
    }

    /// This person may not (403).
    #[must_use]
    pub fn forbidden(code: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code)
    }

    /// Not there, or not yours (404).
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found")
    }

    /// The state of things does not allow it (409).
    #[must_use]
    pub fn conflict(code: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, code)
    }

    /// A value is not acceptable (422).
    #[must_use]
    pub fn value(code: &'static str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code)
    }

    /// One field is not acceptable (422).
    #[must_use]
    pub fn field(pointer: impl Into<String>, code: &'static str) -> Self {
        Refusal::field(pointer, code).into()
    }

    /// The request names a field that does not exist (400).
    #[must_use]
    pub fn unknown_field(pointer: String) -> Self {
        Self { fields: Refusal::field(pointer, "unknown_field").fields, ..Self::bad_request("field_unknown") }
    }

    /// We failed (500). The source is logged, never shown.
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal") }
    }

    /// Something that we need does not answer (503); nothing was done.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            retry_after: Some(2),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    }

    /// The object has changed since it was read (412).
    #[must_use]
    pub fn version_stale(version: i32) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "version_stale").with("version", version)
    }

    /// A command was refused in a state it has no meaning in (409).
    #[must_use]
    pub fn state_conflict(state: impl ToString, command: &str) -> Self {
        Self::conflict("state_conflict").with("state", state).with("command", command)
    }

    /// Names a value that the text shows.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.params.push((name, value.to_string()));
        self
    }

    /// Says that the fields are a part of the body: `/rate` becomes `/rules/rate`.
    #[must_use]
    pub fn under(mut self, pointer: &str) -> Self {
        for field in &mut self.fields {
            field.pointer.insert_str(0, pointer);
        }
        self
    }

    /// Says when a retry makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same error without its source, which has been logged by then.
    #[must_use]
    pub fn shallow_copy(&self) -> Self {
        Self {
            status: self.status,
            code: self.code,
            params: self.params.clone(),
            fields: self.fields.clone(),
            retry_after: self.retry_after,
            current: self.current.clone(),
            source: None,
        }
    }

    /// Whether the same request may succeed later without being changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retry_after.is_some() || self.status.is_server_error()
    }

    /// The body of the answer, in the language of the reader (RFC 9457).
    #[must_use]
    pub fn problem(&self, title: &str, detail: &str, request_id: &str) -> Value {
        let params: Map<String, Value> =
            self.params.iter().map(|(name, value)| ((*name).to_owned(), Value::String(value.clone()))).collect();
        let errors: Vec<Value> =
            self.fields.iter().map(|field| serde_json::json!({"pointer": field.pointer, "code": field.code})).collect();
        let mut problem = serde_json::json!({
            "type": format!("urn:umbel:problem:{}", self.code),
            "title": title,
            "status": self.status.as_u16(),
            "detail": detail,
            "code": self.code,
            "instance": format!("urn:request:{request_id}"),
            "retryable": self.is_retryable(),
            "params": params,
            "errors": errors,
        });
        if let (Some(current), Some(object)) = (&self.current, problem.as_object_mut()) {
            object.insert("current".to_owned(), (**current).clone());
        }
        problem
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.code)?;
        for (name, value) in &self.params {
            write!(f, " {name}={value}")?;
        }
        for field in &self.fields {
            write!(f, " {}:{}", field.pointer, field.code)?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| -> &(dyn StdError + 'static) { source })
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::State => StatusCode::CONFLICT,
            RefusalKind::Value => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        };
        Self { params: refusal.params, fields: refusal.fields, ..Self::new(status, refusal.code) }
    }
}

impl From<crate::kernel::money::MoneyError> for Error {
    fn from(error: crate::kernel::money::MoneyError) -> Self {
        Self { source: Some(Box::new(error)), ..Self::value("amount_invalid") }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

/// What PostgreSQL's own guards mean to a person. A constraint that is not listed is a bug of ours: a 500.
const CONSTRAINTS: &[(&str, StatusCode, &str)] = &[
    ("activity_available_floor", StatusCode::CONFLICT, "insufficient_available"),
    ("activity_pending_floor", StatusCode::CONFLICT, "insufficient_available"),
    ("activity_reserved_floor", StatusCode::CONFLICT, "insufficient_available"),
    ("period_open", StatusCode::CONFLICT, "period_closed"),
    ("state_transition_declared", StatusCode::CONFLICT, "state_conflict"),
    ("invoice_immutable", StatusCode::CONFLICT, "already_issued"),
    ("order_amount_exceeded", StatusCode::CONFLICT, "order_amount_exceeded"),
    ("balance_completes_order", StatusCode::CONFLICT, "balance_does_not_add_up"),
    ("delivery_one_try", StatusCode::CONFLICT, "state_conflict"),
    ("series_begun", StatusCode::CONFLICT, "series_begun"),
    ("number_template_pkey", StatusCode::CONFLICT, "series_begun"),
    ("self_issue_within_ceiling", StatusCode::CONFLICT, "above_own_ceiling"),
    ("self_issue_ceiling_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("batch_sealed", StatusCode::CONFLICT, "batch_sealed"),
    ("batch_immutable", StatusCode::CONFLICT, "batch_sealed"),
    ("batch_within_limit", StatusCode::CONFLICT, "bank_limit_reached"),
    ("batch_needs_approval", StatusCode::CONFLICT, "approval_voided"),
    ("approval_over_sealed_bytes", StatusCode::CONFLICT, "batch_hash_mismatch"),
    ("bank_report_once", StatusCode::CONFLICT, "duplicate_statement"),
    ("approval_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("payout_reviewer_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("application_decider_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("bank_detail_one_open", StatusCode::CONFLICT, "bank_change_open"),
    ("bank_detail_cooling", StatusCode::CONFLICT, "state_conflict"),
    ("bank_detail_frozen", StatusCode::CONFLICT, "state_conflict"),
    ("bank_detail_callback_once", StatusCode::CONFLICT, "state_conflict"),
    ("bank_detail_callback_fits", StatusCode::CONFLICT, "state_conflict"),
    ("bank_detail_callback_number", StatusCode::CONFLICT, "callback_number_new"),
    ("bank_detail_callback_by_staff", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("bank_detail_callback_by_two", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("bank_detail_callback_interest", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("bank_detail_refused_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("bank_detail_policy_day_unique", StatusCode::CONFLICT, "not_unique"),
    ("payee_account_by_change", StatusCode::CONFLICT, "state_conflict"),
    ("risk_flags_opened", StatusCode::CONFLICT, "risk_flags_unopened"),
    ("risk_level_day", StatusCode::CONFLICT, "not_unique"),
    ("risk_level_by_two", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("payout_hold_by_staff", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("payout_hold_lifted_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("payout_hold_lifted_once", StatusCode::CONFLICT, "state_conflict"),
    ("payout_on_hold", StatusCode::CONFLICT, "payout_on_hold"),
    ("payout_limit_not_own", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("payout_limit_by_two", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("payout_limit_once", StatusCode::CONFLICT, "state_conflict"),
    ("payout_limit_in_order", StatusCode::CONFLICT, "limit_decided_later"),
    ("payout_limit_currency_fkey", StatusCode::UNPROCESSABLE_ENTITY, "currency_mismatch"),
    ("payout_account_too_young", StatusCode::CONFLICT, "payee_account_too_young"),
    ("payee_account_verifier_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("second_factor_one_live", StatusCode::CONFLICT, "second_factor_exists"),
    ("second_factor_forward", StatusCode::CONFLICT, "second_factor_code_used"),
    ("step_up_once", StatusCode::UNPROCESSABLE_ENTITY, "second_factor_invalid"),
    ("batch_needs_second_factor", StatusCode::UNPROCESSABLE_ENTITY, "second_factor_invalid"),
    ("payout_decision_one_open", StatusCode::CONFLICT, "state_conflict"),
    ("payout_decision_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("payout_replaces_once", StatusCode::CONFLICT, "state_conflict"),
    ("payout_result_needs_word", StatusCode::CONFLICT, "state_conflict"),
    ("factor_reset_one_open", StatusCode::CONFLICT, "state_conflict"),
    ("factor_reset_asker_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("factor_reset_agreer_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("approval_amount_agreer_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("approval_amount_agreed_later", StatusCode::CONFLICT, "state_conflict"),
    ("approval_amount_in_order", StatusCode::CONFLICT, "approval_decided_later"),
    ("collection_pause_member_often", StatusCode::CONFLICT, "collection_pauses_used"),
    ("bank_detail_needs_second_factor", StatusCode::FORBIDDEN, "step_up_required"),
    ("role_grant_confirmed_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("role_grant_confirmed_by_administrator", StatusCode::FORBIDDEN, "role_forbidden"),
    ("role_grant_confirmed_once", StatusCode::CONFLICT, "state_conflict"),
    ("role_grant_not_self", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("role_grant_no_overlap", StatusCode::CONFLICT, "role_already_granted"),
    ("statement_follows", StatusCode::CONFLICT, "statement_out_of_order"),
    ("bank_statement_reference_unique", StatusCode::CONFLICT, "duplicate_statement"),
    ("bank_statement_position_unique", StatusCode::CONFLICT, "statement_out_of_order"),
    ("bank_line_once", StatusCode::CONFLICT, "duplicate_statement"),
    ("allocation_fits", StatusCode::CONFLICT, "allocation_exceeds"),
    ("credit_fits_rest", StatusCode::CONFLICT, "credit_exceeds"),
    ("credit_note_fits_invoice", StatusCode::CONFLICT, "credit_exceeds"),
    ("bank_csv_profile_name_unique", StatusCode::CONFLICT, "bank_csv_profile_exists"),
    ("allocation_taken_back", StatusCode::CONFLICT, "later_payment_first"),
    ("allocation_taken_back_once", StatusCode::CONFLICT, "bank_line_not_matched"),
    ("client_credit_exceeded", StatusCode::CONFLICT, "client_credit_exceeded"),
    ("client_refund_four_eyes", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("client_credit_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("client_refund_line_once", StatusCode::CONFLICT, "bank_line_already_matched"),
    ("bank_notice_once", StatusCode::CONFLICT, "duplicate_statement"),
    ("bank_notice_line_once", StatusCode::CONFLICT, "duplicate_statement"),
    ("allocation_once", StatusCode::CONFLICT, "bank_line_already_matched"),
    ("application_one_open", StatusCode::CONFLICT, "application_open"),
    ("person_email_unique", StatusCode::CONFLICT, "email_in_use"),
    ("entity_enterprise_number_unique", StatusCode::CONFLICT, "not_unique"),
    ("entity_bank_account_iban_unique", StatusCode::CONFLICT, "not_unique"),
    ("rule_set_version_unique", StatusCode::CONFLICT, "not_unique"),
    ("rule_set_one_a_day", StatusCode::CONFLICT, "not_unique"),
    ("payout_plan_activity_unique", StatusCode::CONFLICT, "not_unique"),
    ("payout_cut_off_day_unique", StatusCode::CONFLICT, "not_unique"),
    ("true_up_policy_day_unique", StatusCode::CONFLICT, "not_unique"),
    ("true_up_one_open", StatusCode::CONFLICT, "true_up_open"),
    ("true_up_of_paid_wage", StatusCode::CONFLICT, "pay_not_sent"),
    ("bank_charge_one", StatusCode::CONFLICT, "bank_charge_open"),
    ("bank_charge_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("client_credit_in_use", StatusCode::CONFLICT, "client_credit_in_use"),
    ("payment_authority_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("remittance_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("remittance_within_owed", StatusCode::CONFLICT, "remittance_exceeds_owed"),
    ("remittance_authority_current", StatusCode::CONFLICT, "payment_authority_changed"),
    ("remittance_authority_fits", StatusCode::CONFLICT, "payment_authority_missing"),
    ("batch_of_one_kind", StatusCode::CONFLICT, "batch_of_one_kind"),
    ("true_up_of_now", StatusCode::CONFLICT, "true_up_outdated"),
    ("payout_true_ups_first", StatusCode::CONFLICT, "true_ups_first"),
    ("true_up_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("true_up_not_own", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("rights_proof_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("pay_slip_rights_proven", StatusCode::CONFLICT, "rights_proof_missing"),
    ("agreement_version_unique", StatusCode::CONFLICT, "not_unique"),
    ("rule_set_immutable", StatusCode::CONFLICT, "state_conflict"),
    ("levy_exemption_no_overlap", StatusCode::CONFLICT, "levy_term_overlaps"),
    ("levy_override_no_overlap", StatusCode::CONFLICT, "levy_term_overlaps"),
    ("levy_exemption_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("levy_override_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("pay_scheme_code_unique", StatusCode::CONFLICT, "not_unique"),
    ("pay_scheme_version_day_unique", StatusCode::CONFLICT, "not_unique"),
    ("pay_arrangement_day_unique", StatusCode::CONFLICT, "not_unique"),
    ("pay_arrangement_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("withholding_rate_day_unique", StatusCode::CONFLICT, "not_unique"),
    ("withholding_rate_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("levy_term_ends_once", StatusCode::CONFLICT, "state_conflict"),
    ("levy_period_once", StatusCode::CONFLICT, "already_booked"),
    ("levy_charge_once", StatusCode::CONFLICT, "already_booked"),
    ("journal_entry_one_fact_once", StatusCode::CONFLICT, "already_booked"),
    ("guarantee_advance_once", StatusCode::CONFLICT, "already_booked"),
    ("solvency_proof_one_a_day", StatusCode::CONFLICT, "already_booked"),
    ("solvency_proof_no_fork", StatusCode::CONFLICT, "already_booked"),
    ("proof_follows", StatusCode::CONFLICT, "already_booked"),
    ("guarantee_fund_floor", StatusCode::CONFLICT, "fund_short"),
    ("contribution_owed_once", StatusCode::CONFLICT, "already_booked"),
    ("contribution_owed_fits", StatusCode::CONFLICT, "already_booked"),
    ("guarantee_claim_fits", StatusCode::CONFLICT, "fund_short"),
    ("guarantee_claim_once", StatusCode::CONFLICT, "already_booked"),
    ("invoice_reduction_source_once", StatusCode::CONFLICT, "already_booked"),
    ("exchange_rate_first", StatusCode::CONFLICT, "not_unique"),
    ("exchange_rate_replaced_once", StatusCode::CONFLICT, "not_unique"),
    ("exchange_difference_fits", StatusCode::CONFLICT, "exchange_difference_exceeds"),
    ("exchange_difference_by_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("exchange_gain_once", StatusCode::CONFLICT, "bank_line_already_matched"),
    ("currency_of_the_order", StatusCode::UNPROCESSABLE_ENTITY, "currency_mismatch"),
    ("internal_invoice_in_one_entity", StatusCode::UNPROCESSABLE_ENTITY, "internal_other_entity"),
    ("internal_invoice_immutable", StatusCode::CONFLICT, "state_conflict"),
    ("recovery_fits", StatusCode::CONFLICT, "allocation_exceeds"),
    ("recovery_once", StatusCode::CONFLICT, "bank_line_already_matched"),
    ("payment_reminder_once_a_day", StatusCode::CONFLICT, "reminder_once_a_day"),
    ("payment_reminder_is_late", StatusCode::CONFLICT, "reminder_not_overdue"),
    ("payment_reminder_fits", StatusCode::CONFLICT, "state_conflict"),
    ("late_interest_rate_once", StatusCode::CONFLICT, "not_unique"),
    ("collection_law_once", StatusCode::CONFLICT, "not_unique"),
    ("collection_track_once", StatusCode::CONFLICT, "not_unique"),
    ("provision_matrix_once", StatusCode::CONFLICT, "not_unique"),
    ("provision_run_once", StatusCode::CONFLICT, "already_booked"),
    ("vat_refund_rule_once", StatusCode::CONFLICT, "not_unique"),
    ("vat_dossier_once", StatusCode::CONFLICT, "not_unique"),
    ("vat_dossier_fits", StatusCode::CONFLICT, "state_conflict"),
    ("payer_record_apart", StatusCode::CONFLICT, "already_booked"),
    ("payer_record_once", StatusCode::CONFLICT, "already_booked"),
    ("collection_pause_one_open", StatusCode::CONFLICT, "collection_paused"),
    ("collection_question_once", StatusCode::CONFLICT, "already_booked"),
    ("collection_answer_pkey", StatusCode::CONFLICT, "already_booked"),
    ("collection_posting_once", StatusCode::CONFLICT, "not_unique"),
    ("collection_action_once", StatusCode::CONFLICT, "already_booked"),
    ("collection_action_one_a_day", StatusCode::CONFLICT, "collection_step_not_due"),
    ("collection_action_follows", StatusCode::CONFLICT, "collection_step_not_due"),
    ("collection_action_paused", StatusCode::CONFLICT, "collection_paused"),
    ("collection_action_agreed", StatusCode::CONFLICT, "collection_step_not_due"),
    ("write_off_one_open", StatusCode::CONFLICT, "write_off_exists"),
    ("write_off_immutable", StatusCode::CONFLICT, "state_conflict"),
    ("write_off_proposer_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("write_off_decider_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("invoice_dispute_one_open", StatusCode::CONFLICT, "state_conflict"),
    ("order_frozen", StatusCode::CONFLICT, "state_conflict"),
    ("job_frozen", StatusCode::CONFLICT, "state_conflict"),
    ("proposal_frozen", StatusCode::CONFLICT, "state_conflict"),
    ("accounting_period_pkey", StatusCode::CONFLICT, "period_closed"),
    ("cost_once", StatusCode::CONFLICT, "duplicate_cost"),
    ("cost_decider_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("cost_decider_is_not_paid_for", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("cost_credit_once", StatusCode::CONFLICT, "not_unique"),
    ("cost_credit_fits", StatusCode::CONFLICT, "state_conflict"),
    ("cost_credit_booker_is_not_paid", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("cost_credit_bank_line_once", StatusCode::CONFLICT, "bank_line_already_matched"),
    ("cost_pool_is_open", StatusCode::CONFLICT, "pool_not_open"),
    ("cost_bank_line_once", StatusCode::CONFLICT, "bank_line_already_matched"),
    ("cost_divided_once", StatusCode::CONFLICT, "already_booked"),
    ("pool_name_unique", StatusCode::CONFLICT, "not_unique"),
    ("pool_opener_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("pool_key_version_unique", StatusCode::CONFLICT, "not_unique"),
    ("pool_key_one_a_day", StatusCode::CONFLICT, "not_unique"),
    ("pool_membership_no_overlap", StatusCode::CONFLICT, "pool_already_in"),
    ("pool_usage_once", StatusCode::CONFLICT, "not_unique"),
    ("pool_contract_one_at_a_time", StatusCode::CONFLICT, "pool_contract_overlaps"),
    ("pool_seat_no_overlap", StatusCode::CONFLICT, "pool_seats_overlap"),
    ("pool_run_instalment_once", StatusCode::CONFLICT, "pool_period_booked"),
    ("pool_run_reverser_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("pool_period_booked", StatusCode::CONFLICT, "pool_period_booked"),
    ("journal_entry_reversed_once", StatusCode::CONFLICT, "already_booked"),
    ("redemption_policy_one_a_day", StatusCode::CONFLICT, "not_unique"),
    ("redemption_once", StatusCode::CONFLICT, "state_conflict"),
    ("surplus_policy_one_a_day", StatusCode::CONFLICT, "not_unique"),
    ("fiscal_year_once", StatusCode::CONFLICT, "year_already_closed"),
    ("appropriation_one_live", StatusCode::CONFLICT, "surplus_already_appropriated"),
    ("appropriation_approver_is_another", StatusCode::FORBIDDEN, "self_approval_forbidden"),
    ("collective_pays_by_transfer", StatusCode::CONFLICT, "collective_pays_by_transfer"),
    ("activity_member_once", StatusCode::CONFLICT, "already_member"),
    ("activity_member_asked_once", StatusCode::CONFLICT, "already_member"),
    ("transfer_returned_once", StatusCode::CONFLICT, "already_returned"),
    ("delivery_once", StatusCode::CONFLICT, "delivery_exists"),
    ("delivery_status_follows", StatusCode::CONFLICT, "delivery_status_order"),
    ("supplier_invoice_once", StatusCode::CONFLICT, "supplier_invoice_known"),
    ("supplier_invoice_bytes_once", StatusCode::CONFLICT, "supplier_invoice_known"),
    ("supplier_invoice_currency_fkey", StatusCode::UNPROCESSABLE_ENTITY, "einvoice_code_unknown"),
];

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        if matches!(error, DieselError::NotFound) {
            return Self::not_found();
        }
        if let DieselError::DatabaseError(kind, info) = &error {
            let constraint = info.constraint_name().unwrap_or_default();
            if let Some((_, status, code)) = CONSTRAINTS.iter().find(|(name, _, _)| *name == constraint) {
                return Self { source: Some(Box::new(error)), ..Self::new(*status, code) };
            }
            if matches!(kind, DatabaseErrorKind::UniqueViolation) && constraint.ends_with("_pkey") {
                return Self { source: Some(Box::new(error)), ..Self::conflict("id_unavailable") };
            }
            if is_transient(&error) {
                return Self::unavailable(error);
            }
        }
        Self::internal(error)
    }
}

/// Whether the database gave up for a moment rather than for good: trying the transaction again may succeed.
#[must_use]
pub fn is_conflict_of_transactions(error: &Error) -> bool {
    let Some(DieselError::DatabaseError(kind, info)) =
        error.source.as_ref().and_then(|s| s.downcast_ref::<DieselError>())
    else {
        return false;
    };
    // Diesel has no kind for 40P01; the server's messages are in English because lc_messages is C.
    matches!(kind, DatabaseErrorKind::SerializationFailure) || info.message().starts_with("deadlock detected")
}

fn is_transient(error: &DieselError) -> bool {
    let DieselError::DatabaseError(kind, info) = error else { return false };
    let message = info.message();
    matches!(kind, DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::ClosedConnection)
        || [
            "deadlock detected",
            "canceling statement",
            "terminating connection",
            "server closed the connection",
            "the database system is",
            "no connection to the server",
            "could not connect",
            "connection to server",
        ]
        .iter()
        .any(|start| message.starts_with(start))
        || message.contains("idle-in-transaction timeout")
}

impl actix_web::ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_log_stays_out_of_what_we_answer() {
        let error = Error::internal("connection string with a password");
        let problem = error.problem("Title", "Detail", "request").to_string();
        assert!(!problem.contains("password"), "{problem}");
        assert!(error.source().is_some());
    }
}
