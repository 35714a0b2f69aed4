//! The payment box: how much, until when, to whom, and the same as a code to scan.

use chrono::NaiveDate;

use super::letterhead::{wrapped, wrapped_label};
use super::{BODY, Head, LEFT, Payment, RIGHT, SMALL, epc, figures};
use crate::formats::local;
use crate::formats::pdf::canvas::{Canvas, Colour, Role};
use crate::formats::pdf::sheet::Sheet;
use crate::formats::pdf::text::{at_most, fit};
use crate::formats::pdf::{Length, PdfError, mm, pt};
use crate::kernel::money::{Currency, Minor};

/// Inside the payment box.
const INSET: Length = mm(5);
/// Where the account in the payment box begins.
const ACCOUNT_LEFT: Length = LEFT + mm(56);
/// Where its values begin.
const VALUES_LEFT: Length = ACCOUNT_LEFT + mm(30);
/// How wide the code to scan is, with the white around it.
const CODE: Length = mm(29);
/// The white around it, in cells, as the standard of such codes wants it.
const QUIET: Length = 4;
const WHITE: Colour = Colour(255, 255, 255);

/// The lines of a label and of its value.
type Entry = (Vec<String>, Vec<String>);

/// How to pay, laid out.
pub(super) struct PaymentBox {
    amount: String,
    pay_by: Option<String>,
    /// The lines of each label and of its value.
    account: Vec<Entry>,
    code: Option<epc::Square>,
    /// What the code is, in words, for those who cannot scan it.
    spoken: String,
}

impl PaymentBox {
    pub(super) fn new(
        canvas: &Canvas,
        head: &Head<'_>,
        payment: &Payment,
        (amount, currency): (Minor, Currency),
        pay_by: Option<NaiveDate>,
    ) -> Result<Self, PdfError> {
        let code = epc::payload(payment, amount, currency).and_then(|payload| epc::square(&payload));
        let amount = local::amount(head.language, amount, currency);
        let iban = figures::iban(&payment.iban);
        Ok(Self {
            spoken: format!("{}: {amount}, {iban}, {}", head.labels.first.scan, payment.reference),
            amount,
            pay_by: pay_by.map(|on| format!("{} {}", head.labels.first.by, local::date(head.language, on))),
            account: account(canvas, head, payment, code.is_some())?,
            code,
        })
    }

    pub(super) fn height(&self) -> Length {
        let rows: Length = self.account.iter().map(|(label, value)| row_height(label, value)).sum();
        let code = self.code.as_ref().map_or(0, |_| CODE + mm(3));
        (rows - pt(40)).max(mm(17)).max(code - mm(4)) + INSET * 2
    }

    pub(super) fn draw(&self, sheet: &mut Sheet, head: &Head<'_>) {
        let height = self.height();
        sheet.ensure(height);
        let page = sheet.page;
        let top = sheet.advance(height);
        let canvas = &mut sheet.canvas;
        canvas.rectangle(page, (LEFT, top), (RIGHT - LEFT, height), head.palette.tint);
        canvas.rectangle(page, (LEFT, top), (pt(20), height), head.palette.bar);
        let x = LEFT + INSET;
        let mut y = top + INSET + SMALL.size;
        canvas.open(Role::Paragraph);
        canvas.text(page, x, y, SMALL, &head.labels.say(|words| words.to_pay));
        let style = BODY.bold().sized(pt(170));
        let room = ACCOUNT_LEFT - x - mm(4);
        let style = style.sized(fit(canvas.face(style), style.size, room, &self.amount));
        y += pt(215);
        canvas.text(page, x, y, style, &self.amount);
        y += pt(155);
        if let Some(pay_by) = &self.pay_by {
            let style = BODY.sized(fit(canvas.face(BODY), BODY.size, room, pay_by));
            canvas.text(page, x, y, style, pay_by);
        }
        canvas.close();
        let mut y = top + INSET + BODY.size;
        for (label, values) in &self.account {
            canvas.open(Role::Paragraph);
            for (line, step) in label.iter().zip(0..) {
                canvas.text(page, ACCOUNT_LEFT, y + pt(95) * step, SMALL, line);
            }
            for (value, step) in values.iter().zip(0..) {
                canvas.text(page, VALUES_LEFT, y + pt(140) * step, BODY.bold(), value);
            }
            canvas.close();
            y += row_height(label, values);
        }
        if let Some(code) = &self.code {
            let corner = (RIGHT - mm(4) - CODE, top + mm(3));
            self.draw_code(canvas, page, corner, code, head);
        }
    }

    fn draw_code(
        &self,
        canvas: &mut Canvas,
        page: usize,
        (x, y): (Length, Length),
        (side, cells): &epc::Square,
        head: &Head<'_>,
    ) {
        canvas.rectangle(page, (x, y), (CODE, CODE), WHITE);
        let whole = side + QUIET * 2;
        let cells = cells.iter().map(|(column, row, run)| (column + QUIET, row + QUIET, *run));
        canvas.mosaic(page, (x, y), (CODE, whole), cells, &self.spoken);
        let style = SMALL.sized(pt(65));
        let label = head.labels.say(|words| words.scan);
        let style = style.sized(fit(canvas.face(style), style.size, CODE + mm(6), &label));
        let width = canvas.width(style, &label);
        canvas.text(page, x + (CODE - width) / 2, y + CODE + mm(3), style, &label);
    }
}

/// The height of a row of the box.
fn row_height(label: &[String], value: &[String]) -> Length {
    let lines = |lines: &[String]| Length::try_from(lines.len()).unwrap_or(1);
    (pt(140) * lines(value)).max(pt(95) * lines(label) + pt(45))
}

/// The rows of the payment box: label and lines.
fn account(canvas: &Canvas, head: &Head<'_>, payment: &Payment, has_code: bool) -> Result<Vec<Entry>, PdfError> {
    // A reference of ISO 11649 is printed in groups of four, like an account.
    let is_grouped = payment.reference.starts_with("RF");
    let reference = if is_grouped { figures::iban(&payment.reference) } else { payment.reference.clone() };
    let entries = [
        ("IBAN".to_owned(), Some(figures::iban(&payment.iban))),
        ("BIC".to_owned(), payment.bic.clone()),
        (head.labels.say(|words| words.beneficiary), Some(payment.beneficiary.clone())),
        (head.labels.say(|words| words.reference), Some(reference)),
    ];
    let right = if has_code { RIGHT - CODE - mm(8) } else { RIGHT - INSET };
    let mut account = Vec::new();
    for (label, value) in entries {
        let Some(value) = value.filter(|value| !value.trim().is_empty()) else { continue };
        let label = at_most(wrapped_label(canvas, SMALL, VALUES_LEFT - ACCOUNT_LEFT - mm(1), &label)?, 3);
        account.push((label, at_most(wrapped(canvas, BODY.bold(), right - VALUES_LEFT, &value)?, 4)));
    }
    Ok(account)
}
