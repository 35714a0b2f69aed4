//! An invoice as it is shown.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::guarantee::http::{DisputeView, HoldView};
use crate::invoicing::{self, Foreign, Invoice, InvoiceState, IssueCharge, Settlement, Stage, TaxRow};
use crate::kernel::ids::{ActivityId, ClientId, EntityId, ExchangeRateId, InvoiceId, OrderId, PersonId, RuleSetId};
use crate::kernel::levies::LevyKind;
use crate::kernel::lines::{self, Adjustment, DocumentLine, LineKind, Row as _};
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::references::Ogm;
use crate::kernel::vat::VatCase;
use crate::platform::error::Result;

/// A line of an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvoiceLineView {
    /// What is sold.
    #[serde(flatten)]
    pub line: DocumentLine,
    /// What it comes to without VAT.
    pub net: Money,
    /// What credit notes gave back of it, without VAT.
    pub credited: Money,
}

/// A discount or charge on all lines of a VAT case.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvoiceAdjustmentView {
    /// Its place after the lines.
    pub n: i32,
    /// What it is, with what it comes to.
    #[serde(flatten)]
    pub adjustment: Adjustment,
    /// What it adds to the total without VAT: below zero for a discount.
    pub net: Money,
    /// What credit notes gave back of that.
    pub credited: Money,
}

/// What a document says in another currency than the euro that are booked, and the rate between them.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentCurrencyView {
    /// The currency of the document.
    #[schema(value_type = String, example = "USD")]
    pub currency: Currency,
    /// Units of it for one euro.
    pub rate: String,
    /// The day for which the rate was published.
    pub rate_on: NaiveDate,
    /// Who published it.
    pub rate_source: String,
    /// Its id.
    pub exchange_rate_id: ExchangeRateId,
    /// VAT by case and rate.
    pub taxes: Vec<TaxView>,
    /// Without VAT.
    pub total_net: Money,
    /// VAT.
    pub total_vat: Money,
    /// To pay.
    pub total_gross: Money,
}

impl From<&Foreign> for DocumentCurrencyView {
    fn from(said: &Foreign) -> Self {
        let money = |amount_minor| Money { amount_minor, currency: said.currency };
        Self {
            currency: said.currency,
            rate: said.rate.rate.normalize().to_string(),
            rate_on: said.rate.on_date,
            rate_source: said.rate.source.clone(),
            exchange_rate_id: said.rate.id,
            taxes: said.taxes.iter().map(|tax| tax_view(tax, said.currency)).collect(),
            total_net: money(said.net),
            total_vat: money(said.tax),
            total_gross: money(said.gross),
        }
    }
}

/// VAT of one case and rate.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaxView {
    /// How VAT applies.
    pub vat_case: VatCase,
    /// The rate as a decimal fraction.
    pub rate: String,
    /// The sum of the lines.
    pub base: Money,
    /// The tax, rounded once.
    pub tax: Money,
}

/// What the mutual keeps, and why it is that amount.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChargeView {
    /// What it is for.
    pub kind: LevyKind,
    /// What it was computed on.
    pub base: Money,
    /// The rate as a decimal fraction; none when it went by bands: the levies of the activity show the computation.
    pub rate: Option<String>,
    /// By which rules.
    pub rule_set_id: RuleSetId,
    /// How it was rounded.
    pub rounding: &'static str,
    /// What it came to.
    pub amount: Money,
}

/// When the money comes, how sure that is, and who has to act.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastView {
    /// `guarantee`, `client` or `available`.
    pub basis: &'static str,
    /// The promised day, when the guarantee covers it.
    pub on: Option<NaiveDate>,
    /// What has to happen first.
    pub blocked_by: Vec<&'static str>,
}

/// An invoice.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvoiceView {
    /// Its id.
    pub id: InvoiceId,
    /// Grows with every change.
    pub version: i32,
    /// `draft`, `submitted`, `issued` or `discarded`.
    pub state: InvoiceState,
    /// `none`, `open`, `part_settled` or `settled`: from what the bank brought; `written_off` when the rest was given up.
    pub settlement: Settlement,
    /// Its number; given when it is issued.
    pub number: Option<String>,
    /// Who issues it.
    pub entity_id: EntityId,
    /// Whose work it is.
    pub member_id: PersonId,
    /// To which activity it belongs.
    pub activity_id: ActivityId,
    /// Who pays.
    pub client_id: ClientId,
    /// The order that it invoices.
    pub order_id: Option<OrderId>,
    /// Which part of its order.
    pub stage: Stage,
    /// Of a deposit or an intermediate invoice: which part of the whole order, as a decimal fraction.
    pub share: Option<String>,
    /// One line.
    pub title: String,
    /// The last day of work.
    pub supplied_on: NaiveDate,
    /// What the buyer wants to read on it.
    pub buyer_reference: Option<String>,
    /// The day of issue.
    pub issued_on: Option<NaiveDate>,
    /// The last day of payment.
    pub due_on: Option<NaiveDate>,
    /// The structured communication.
    pub payment_reference: Option<String>,
    /// The number of the buyer's purchase order.
    pub purchase_order: Option<String>,
    /// What is sold, in the currency of the document.
    pub lines: Vec<InvoiceLineView>,
    /// Discounts and charges on all lines of a VAT case, in the currency of the document.
    pub adjustments: Vec<InvoiceAdjustmentView>,
    /// What it says where it is not in euro: every amount but its lines is as it is booked. The rate is provisional
    /// until it is issued.
    pub document: Option<DocumentCurrencyView>,
    /// VAT by case and rate.
    pub taxes: Vec<TaxView>,
    /// Without VAT.
    pub total_net: Money,
    /// VAT.
    pub total_vat: Money,
    /// To pay.
    pub total_gross: Money,
    /// What credit notes and write-offs took off that.
    pub reduced: Money,
    /// Still to pay.
    pub open: Money,
    /// What the client has paid beyond what is left to pay: theirs.
    pub over_settled: Money,
    /// What the mutual keeps; empty before it is issued.
    pub charges: Vec<ChargeView>,
    /// What the activity gets; absent before it is issued.
    pub to_activity: Option<Money>,
    /// When the money comes.
    pub payout_forecast: ForecastView,
    /// Why the advance waits although the promised day has come; it is tried again every day.
    pub advance_hold: Option<HoldView>,
    /// What the client says against it; nothing is advanced meanwhile.
    pub dispute: Option<DisputeView>,
    /// What of it was given up, with VAT.
    pub written_off: Money,
    /// Why it was given back.
    pub return_reason: Option<String>,
    /// When it was handed to the office.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

fn forecast(invoice: &Invoice) -> ForecastView {
    let row = &invoice.row;
    if let Some(advance) = &invoice.advance {
        return ForecastView { basis: "available", on: Some(advance.advanced_on), blocked_by: Vec::new() };
    }
    let is_paid = invoice.open.amount <= Minor::ZERO;
    let is_held = |code: &str| invoice.hold.as_ref().is_some_and(|hold| hold.reason == code);
    let blocked_by = match row.state {
        InvoiceState::Draft => vec!["submit"],
        InvoiceState::Submitted => vec!["issue"],
        InvoiceState::Issued if !is_paid && !invoice.is_covered => vec!["client_payment"],
        InvoiceState::Issued if !is_paid && invoice.dispute.is_some() => vec!["invoice_disputed"],
        InvoiceState::Issued if !is_paid && is_held("fund_paused") => vec!["fund_paused"],
        InvoiceState::Issued if !is_paid && is_held("fund_multiple_exceeded") => vec!["fund_multiple_exceeded"],
        InvoiceState::Issued | InvoiceState::Discarded => Vec::new(),
    };
    let basis = match (row.state, invoice.is_covered) {
        (InvoiceState::Issued, _) if is_paid => "available",
        (_, true) => "guarantee",
        (_, false) => "client",
    };
    ForecastView { basis, on: row.advance_due_on, blocked_by }
}

/// VAT of one case and rate, as it is shown.
pub(super) fn tax_view(tax: &TaxRow, currency: Currency) -> TaxView {
    let money = |amount_minor: Minor| Money { amount_minor, currency };
    TaxView {
        vat_case: tax.vat_case,
        rate: Ppm(tax.rate_ppm).to_fraction(),
        base: money(tax.base_minor),
        tax: money(tax.tax_minor),
    }
}

/// What the mutual keeps or gives back, as it is shown.
pub(super) fn charge_view(charge: &IssueCharge, currency: Currency) -> ChargeView {
    let money = |amount_minor: Minor| Money { amount_minor, currency };
    ChargeView {
        kind: charge.kind,
        base: money(charge.base),
        rate: charge.rate.map(Ppm::to_fraction),
        rule_set_id: charge.rule_set,
        rounding: "half away from zero, to the cent",
        amount: money(charge.amount),
    }
}

impl InvoiceView {
    pub(super) fn new(invoice: Invoice) -> Result<Self> {
        let payout_forecast = forecast(&invoice);
        let said = invoice.shown();
        let row = invoice.row;
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        let of_document = |amount_minor: Minor| Money { amount_minor, currency: said.currency };
        let kept = Minor::sum(invoice.charges.iter().map(|charge| charge.amount))?;
        let to_activity = row.net_minor.minus(kept)?;
        let is_issued = row.state == InvoiceState::Issued;
        let line = |line: &invoicing::InvoiceLineRow| InvoiceLineView {
            line: line.document(said.currency),
            net: of_document(line.net_minor),
            credited: of_document(invoice.credited.get(&line.n).copied().unwrap_or_default()),
        };
        let adjustment = |row: &invoicing::InvoiceLineRow, adjustment| InvoiceAdjustmentView {
            n: row.n,
            adjustment,
            net: of_document(row.net_minor),
            credited: of_document(invoice.credited.get(&row.n).copied().unwrap_or_default()),
        };
        let (sold, on_all): (Vec<_>, Vec<_>) = said.lines.iter().partition(|line| line.kind == LineKind::Line);
        Ok(Self {
            adjustments: on_all
                .into_iter()
                .flat_map(|row| lines::adjustments(&row.adjustments).into_iter().map(move |it| (row, it)))
                .map(|(row, it)| adjustment(row, it))
                .collect(),
            document: invoice.foreign.as_ref().map(DocumentCurrencyView::from),
            settlement: invoicing::settlement(&row, invoice.open),
            advance_hold: invoice.hold.map(|hold| HoldView::new(hold, invoice.language)),
            dispute: invoice.dispute.map(DisputeView::from),
            written_off: money(invoice.open.written_off),
            lines: sold.into_iter().map(line).collect(),
            taxes: invoice.taxes.iter().map(|tax| tax_view(tax, row.currency)).collect(),
            charges: invoice.charges.iter().map(|charge| charge_view(charge, row.currency)).collect(),
            total_net: money(row.net_minor),
            total_vat: money(row.tax_minor),
            total_gross: money(row.gross_minor),
            reduced: money(invoice.open.reduced),
            open: money(invoice.open.amount.max(Minor::ZERO)),
            over_settled: money(Minor::ZERO.minus(invoice.open.amount.min(Minor::ZERO))?),
            to_activity: is_issued.then(|| money(to_activity)),
            payout_forecast,
            payment_reference: row.payment_reference.as_deref().and_then(Ogm::parse).map(|ogm| ogm.printed()),
            id: row.id,
            version: row.version,
            state: row.state,
            number: row.number,
            entity_id: row.entity_id,
            member_id: row.member_id,
            activity_id: row.activity_id,
            client_id: row.client_id,
            order_id: row.order_id,
            stage: invoice.part.map_or(Stage::Single, |part| part.stage),
            share: invoice.part.and_then(|part| part.share_ppm).map(|share| Ppm(share).to_fraction()),
            title: row.title,
            supplied_on: row.supplied_on,
            buyer_reference: row.buyer_reference,
            purchase_order: invoice.purchase_order,
            issued_on: row.issued_on,
            due_on: row.due_on,
            return_reason: row.return_reason,
            submitted_at: row.submitted_at,
            created_at: row.created_at,
        })
    }
}

/// An invoice in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvoiceSummary {
    /// Its id.
    pub id: InvoiceId,
    /// Grows with every change.
    pub version: i32,
    /// Where it stands.
    pub state: InvoiceState,
    /// From what the bank brought; `written_off` when the rest was given up.
    pub settlement: Settlement,
    /// Its number.
    pub number: Option<String>,
    /// Whose work it is.
    pub member_id: PersonId,
    /// Who pays.
    pub client_id: ClientId,
    /// One line.
    pub title: String,
    /// The last day of payment.
    pub due_on: Option<NaiveDate>,
    /// The promised day.
    pub advance_due_on: Option<NaiveDate>,
    /// When it was handed to the office.
    pub submitted_at: Option<DateTime<Utc>>,
    /// To pay.
    pub total_gross: Money,
    /// What the document says of that, where it is not in euro.
    pub document_gross: Option<Money>,
    /// Still to pay.
    pub open: Money,
}

impl From<invoicing::Listed> for InvoiceSummary {
    fn from((row, open, document_gross): invoicing::Listed) -> Self {
        let money = |amount_minor| Money { amount_minor, currency: row.currency };
        Self {
            settlement: invoicing::settlement(&row, open),
            total_gross: money(row.gross_minor),
            document_gross,
            open: money(open.amount.max(Minor::ZERO)),
            id: row.id,
            version: row.version,
            state: row.state,
            number: row.number,
            member_id: row.member_id,
            client_id: row.client_id,
            title: row.title,
            due_on: row.due_on,
            advance_due_on: row.advance_due_on,
            submitted_at: row.submitted_at,
        }
    }
}
