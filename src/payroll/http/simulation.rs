//! What an amount becomes: tried before the work is accepted, and as it was computed for a payout.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::MemberOrDesk;
use crate::formats::payslip::{self, Sign, Step};
use crate::kernel::ids::{ActivityId, OrderId, PaySchemeVersionId, PayoutId, RuleSetId};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::payroll::{self, Basis, Beside, Simulation, SlipRow, Wish};
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::web::{self, Command};

crate::endpoints!(simulate_pay);

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SimulatePay {
    /// By the rules of which activity; may be left out for an order.
    #[serde(default)]
    activity_id: Option<ActivityId>,
    /// What becomes of an invoice of this amount without VAT?
    #[serde(default)]
    invoice_amount: Option<Money>,
    /// What must be invoiced so that this is paid out?
    #[serde(default)]
    wished_net: Option<Money>,
    /// What becomes of this order?
    #[serde(default)]
    order_id: Option<OrderId>,
    /// Paid beside the wage out of the budget: per diem, mileage, exempt amounts.
    #[serde(default)]
    beside_wage: Option<Money>,
    /// Paid for copyright out of the budget.
    #[serde(default)]
    copyright: Option<Money>,
    /// By the rules of this day; today when it is left out.
    #[serde(default)]
    on: Option<NaiveDate>,
}

/// What is paid beside a wage, all of it in euros.
fn beside(wage: Option<Money>, copyright: Option<Money>) -> Result<Beside> {
    let amount = |money: Option<Money>, pointer: &str| match money {
        Some(money) if money.currency != Currency::EUR => {
            Err(Error::field(format!("{pointer}/currency"), "currency_mismatch"))
        }
        Some(money) => Ok(money.amount_minor),
        None => Ok(Minor::ZERO),
    };
    Ok(Beside { beside: amount(wage, "/beside_wage")?, rights: amount(copyright, "/copyright")? })
}

impl SimulatePay {
    fn wish(&self) -> Result<Wish> {
        match (self.invoice_amount, self.wished_net, self.order_id) {
            (Some(net), None, None) => Ok(Wish::Invoice(net)),
            (None, Some(wished), None) => Ok(Wish::Net(wished)),
            (None, None, Some(order)) => Ok(Wish::Order(order)),
            (None, None, None) => Err(Error::field("/invoice_amount", "required")),
            (Some(_), Some(_), _) => Err(Error::field("/wished_net", "not_allowed")),
            (_, _, Some(_)) => Err(Error::field("/order_id", "not_allowed")),
        }
    }
}

/// A part of a base at its rate.
#[derive(Debug, Serialize, ToSchema)]
struct PartView {
    /// The part.
    amount: Money,
    /// Its rate as a decimal fraction.
    rate: String,
}

/// A step of a computation.
#[derive(Debug, Serialize, ToSchema)]
struct StepView {
    /// Its name; of a component, that of the component.
    code: String,
    /// The step in the reader's language.
    label: String,
    /// `margin`, `levy`, `employer`, `employee` or `withholding`, of a component.
    payer: Option<String>,
    /// What it was computed on.
    base: Option<Money>,
    /// The parts of that with their rates.
    parts: Vec<PartView>,
    /// Whether it says where one stands, instead of what changes.
    is_sum: bool,
    /// What it comes to; negative when it is taken off.
    amount: Money,
}

impl StepView {
    fn new(step: &Step, language: Language, currency: Currency) -> Result<Self> {
        let money = |amount_minor| Money { amount_minor, currency };
        let amount = if step.sign == Sign::Less { step.amount.negated()? } else { step.amount };
        let part = |slice: &crate::kernel::schemes::Slice| PartView {
            amount: money(slice.amount_minor),
            rate: Ppm::to_fraction(slice.rate_ppm),
        };
        Ok(Self {
            code: step.code.clone(),
            label: step.label(language),
            payer: step.payer.map(|payer| payer.name().to_owned()),
            base: step.base.map(money),
            parts: step.rates.iter().map(part).collect(),
            is_sum: step.sign == Sign::Sum,
            amount: money(amount),
        })
    }
}

/// What an amount becomes, step by step.
#[derive(Debug, Serialize, ToSchema)]
struct PaySimulationView {
    /// On which day.
    on: NaiveDate,
    /// By which rules of the mutual.
    rule_set_id: RuleSetId,
    /// By which version of the scheme; none for a plain transfer.
    scheme_version_id: Option<PaySchemeVersionId>,
    /// The amount to invoice, without VAT.
    invoice_amount: Money,
    /// What is there for pay.
    budget: Money,
    /// The gross wage; the whole budget for a plain transfer.
    gross: Money,
    /// What is paid out.
    net: Money,
    /// Cents that stay on the activity.
    residual: Money,
    /// Every step, with its words.
    steps: Vec<StepView>,
    /// What to keep in mind, in the reader's language; none for a plain transfer.
    advice: Option<&'static str>,
}

impl PaySimulationView {
    fn new(it: &Simulation, language: Language) -> Result<Self> {
        let money = |amount_minor| Money { amount_minor, currency: it.currency };
        let pay = &it.turnover.pay;
        let kept = it.turnover.charges.iter().map(payroll::Kept::from).collect();
        let basis = Basis { tax: Some(it.tax), net: it.turnover.net, kept };
        let steps = payroll::steps(&basis, pay)?;
        Ok(Self {
            on: it.on,
            rule_set_id: it.rule_set,
            scheme_version_id: it.version.as_ref().map(|version| version.id),
            invoice_amount: money(it.turnover.net),
            budget: money(pay.budget),
            gross: money(pay.gross),
            net: money(pay.net),
            residual: money(pay.residual),
            steps: steps.iter().map(|step| StepView::new(step, language, it.currency)).collect::<Result<_>>()?,
            advice: it.version.as_ref().map(|_| payslip::advice(language)),
        })
    }
}

/// Tries what an invoice or an order becomes, or what must be invoiced for a wished net: by the same engine as the real
/// run. Nothing is kept.
#[utoipa::path(tag = "payroll", request_body = SimulatePay, responses((status = 200, body = PaySimulationView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[post("/v1/pay_simulations")]
async fn simulate_pay(
    who: MemberOrDesk,
    db: Data<Db>,
    request: HttpRequest,
    command: Command<SimulatePay>,
) -> Result<HttpResponse> {
    let language = web::language(&request);
    command
        .run(&db, who.into(), "simulate_pay", move |tx, body| {
            let beside = beside(body.beside_wage, body.copyright)?;
            let it = payroll::simulate(tx, body.activity_id, body.wish()?, body.on, beside)?;
            PaySimulationView::new(&it, language)
        })
        .await
}

/// What a payout that is a wage was computed to.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlipView {
    /// The payout.
    payout_id: PayoutId,
    /// On which day.
    computed_on: NaiveDate,
    /// By which version of the scheme.
    scheme_version_id: PaySchemeVersionId,
    /// The person's own withholding rate, as a decimal fraction.
    withholding_rate: String,
    /// What was there for pay.
    budget: Money,
    /// The gross wage.
    gross: Money,
    /// What is paid out.
    net: Money,
    /// Cents that stay on the activity.
    residual: Money,
    /// Every step, with its words.
    steps: Vec<StepView>,
}

impl SlipView {
    /// In a language.
    ///
    /// # Errors
    /// Fails for a computation that is not in the form of ours.
    pub fn new(row: &SlipRow, language: Language) -> Result<Self> {
        let pay = row.pay()?;
        let money = |amount_minor| Money { amount_minor, currency: row.currency };
        let steps = payroll::pay_steps(&pay);
        Ok(Self {
            payout_id: row.payout_id,
            computed_on: row.computed_on,
            scheme_version_id: row.scheme_version_id,
            withholding_rate: Ppm(row.withholding_ppm).to_fraction(),
            budget: money(pay.budget),
            gross: money(pay.gross),
            net: money(pay.net),
            residual: money(pay.residual),
            steps: steps.iter().map(|step| StepView::new(step, language, row.currency)).collect::<Result<_>>()?,
        })
    }
}
