//! Identifiers as types, so that a client's id cannot be passed where an invoice's is wanted.
//!
//! Ids are `UUIDv7` (RFC 9562), made on the device that creates the object, and are unique for ever. They are
//! not secrets: whoever holds one still has to be allowed to look.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            AsExpression, FromSqlRow, utoipa::ToSchema,
        )]
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        #[serde(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl ToSql<diesel::sql_types::Uuid, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                <Uuid as ToSql<diesel::sql_types::Uuid, Pg>>::to_sql(&self.0, out)
            }
        }

        impl FromSql<diesel::sql_types::Uuid, Pg> for $name {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                <Uuid as FromSql<diesel::sql_types::Uuid, Pg>>::from_sql(value).map(Self)
            }
        }
    )+};
}

ids! {
    /// A legal entity of the mutual.
    EntityId,
    /// A person who can sign in. A member's id is their person's id.
    PersonId,
    /// One signed-in device: a family of refresh tokens.
    SessionId,
    /// A role given to a person for a time.
    GrantId,
    /// An application for membership.
    ApplicationId,
    /// An immutable file.
    FileId,
    /// A bank account of a member.
    PayeeAccountId,
    /// A bank account of an entity.
    BankAccountId,
    /// A subscribed share.
    ShareId,
    /// A running budget.
    ActivityId,
    /// A client in the registry, as one member sees it.
    ClientId,
    /// An order.
    OrderId,
    /// An invoice or a credit note.
    InvoiceId,
    /// How the documents of an entity look.
    DesignId,
    /// Up to how much a member issues alone.
    CeilingId,
    /// An invoice that comes again.
    RecurringId,
    /// The text that an applicant accepts.
    AgreementId,
    /// What one euro is in another currency on a day.
    ExchangeRateId,
    /// What arrived more or less than was booked, because a rate moved.
    ExchangeDifferenceId,
    /// Money of a client that no invoice asks for.
    ClientCreditId,
    /// What of it pays an invoice.
    ClientCreditUseId,
    /// What of it is given back.
    ClientRefundId,
    /// What a bank charged, or paid as interest.
    BankChargeId,
    /// Where an office is paid.
    PaymentAuthorityId,
    /// A payment to an office.
    RemittanceId,
    /// Which column of a bank's table is what.
    BankCsvProfileId,
    /// A note of the bank beside its statements.
    BankNoticeId,
    /// A line of such a note.
    BankNoticeLineId,
    /// An invoice from one member to another of the same legal person.
    InternalInvoiceId,
    /// A dated rule set.
    RuleSetId,
    /// A payment to a member before the client paid.
    AdvanceId,
    /// Money on its way from an activity to a person.
    PayoutId,
    /// Payouts sealed into one bank file.
    BatchId,
    /// An imported bank statement.
    StatementId,
    /// A line of a bank statement.
    BankLineId,
    /// Part of a bank line matched to a document.
    AllocationId,
    /// A levy applied once: to an invoice, a payment or a month.
    ChargeId,
    /// What an activity need not pay for a time.
    LevyExemptionId,
    /// A levy of its own that an activity has for a time.
    LevyOverrideId,
    /// A pay scheme of an entity.
    PaySchemeId,
    /// A version of a pay scheme.
    PaySchemeVersionId,
    /// By which scheme an activity pays from a day on.
    PayArrangementId,
    /// The withholding rate of a person from a day on.
    WithholdingRateId,
    /// A debt of an activity taken from what it received later.
    ArrearsId,
    /// A receivable given up.
    WriteOffId,
    /// A claim on the guarantee fund.
    ClaimId,
    /// A payment out of the guarantee fund.
    DrawId,
    /// Claims on the guarantee fund paid together.
    DrawRunId,
    /// A contribution that the guarantee fund owes.
    ContributionOwedId,
    /// Such a contribution returned, in full or in part.
    ContributionReturnId,
    /// What a supplier took back of a cost.
    CostCreditId,
    /// A client's objection to an invoice.
    DisputeId,
    /// An advance that was put off.
    HoldId,
    /// Money that came after a receivable was given up.
    RecoveryId,
    /// What a supplier charged, for a pool or an activity.
    CostId,
    /// A shared cost with its key.
    PoolId,
    /// One division of a pool's cost.
    PoolRunId,
    /// A supplier's contract that members use together.
    ContractId,
    /// An invitation to a collective.
    InvitationId,
    /// Money moved between activities.
    TransferId,
    /// How a collective divides its money, one version.
    SplitRuleId,
    /// One division of a collective's money.
    SplitRunId,
    /// A share given back.
    RedemptionId,
    /// What is given back at a closing, decided at once.
    RedemptionRunId,
    /// How shares are given back, from a day on.
    RedemptionPolicyId,
    /// A closed year of an entity.
    FiscalYearId,
    /// What the statutes say about a surplus, from a day on.
    SurplusPolicyId,
    /// A decision about the result of a year.
    AppropriationId,
    /// Work that takes longer than a request.
    JobId,
    /// A proposed change of the rules.
    ProposalId,
    /// A past period played again under proposed rules.
    DryRunId,
    /// The proof of a day that the mutual can pay what it owes.
    ProofId,
    /// One way in which an issued document goes to its client.
    DeliveryId,
    /// An electronic invoice of a supplier.
    SupplierInvoiceId,
    /// An account that a member asked to be paid to instead.
    BankDetailChangeId,
    /// How long a new account waits, from a day on.
    BankDetailPolicyId,
    /// A call to a member about their new account.
    CallbackId,
    /// Something about a payout that somebody should look at.
    RiskFlagId,
    /// How serious a kind of flag is, from a day on.
    RiskLevelId,
    /// A stop to payouts.
    PayoutHoldId,
    /// How much may be paid out, from a day on.
    PayoutLimitId,
    /// A letter to a client about an invoice that is late.
    ReminderId,
    /// A statutory interest rate from a day on.
    LateRateId,
    /// What the law lets a creditor claim from a day on.
    CollectionLawId,
    /// How clients of a kind are pursued from a day on.
    TrackId,
    /// A step that was taken about a late invoice.
    CollectionActionId,
    /// A promise to pay, or a hold: nothing is sent meanwhile.
    CollectionPauseId,
    /// Whether a member agrees to a formal demand.
    CollectionQuestionId,
    /// A contact with the client of a late invoice.
    ContactId,
    /// The registered letter of a formal demand.
    PostingId,
    /// How doubtful late invoices are, from a day on.
    ProvisionMatrixId,
    /// The provision of a month.
    ProvisionRunId,
    /// Where VAT on a lost claim is taken back, from a day on.
    VatRefundRuleId,
    /// What proves a lost claim to the tax office.
    VatDossierId,
    /// How an enterprise paid.
    PayerRecordId,
    /// When an activity pays out by itself.
    PayoutPlanId,
    /// Until when money of a day must be set aside.
    CutOffId,
    /// What a wage really cost.
    TrueUpId,
    /// A part of that which an activity bore or got back.
    TrueUpPartId,
    /// Who bears such differences.
    TrueUpPolicyId,
    /// What lets a person be paid for copyright.
    RightsProofId,
    /// A second factor of a person.
    FactorId,
    /// The request to give somebody a new second factor.
    FactorResetId,
    /// A second factor shown for one command.
    StepUpId,
    /// How many approvals a total needs.
    ApprovalAmountId,
    /// How long approvals count.
    BatchPolicyId,
    /// What a bank takes in one file.
    BankLimitId,
    /// A bank's answer to a file.
    BankReportId,
    /// What two people decide about a payout.
    PayoutDecisionId,
}
