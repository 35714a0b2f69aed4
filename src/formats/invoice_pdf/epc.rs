//! The code to scan: a SEPA credit transfer as a QR code (EPC069-12, version 002, level M).

use qrcode::{Color, EcLevel, QrCode};

use super::Payment;
use crate::formats::pdf::Length;
use crate::kernel::money::{Currency, Minor, to_plain};
use crate::kernel::references::Ogm;

/// The most that the standard lets into a code (its version 13).
const LARGEST: usize = 331;
/// The largest amount: 999,999,999.99 euro.
const LARGEST_AMOUNT: Minor = Minor::new(99_999_999_999);

/// What the code says; nothing where the standard has no way to say it: another currency, nothing to pay.
#[must_use]
pub fn payload(payment: &Payment, amount: Minor, currency: Currency) -> Option<String> {
    let line = |text: &str, most: usize| -> String {
        text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(most).collect::<String>().trim().to_owned()
    };
    let plain = |text: &str| -> String { text.chars().filter(|it| !it.is_whitespace()).collect() };
    let (iban, name) = (plain(&payment.iban), line(&payment.beneficiary, 70));
    let is_iban = (15..=34).contains(&iban.len()) && iban.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if currency != Currency::EUR || amount <= Minor::ZERO || amount > LARGEST_AMOUNT || !is_iban || name.is_empty() {
        return None;
    }
    let bic = payment.bic.as_deref().map(plain).unwrap_or_default();
    let is_bic = matches!(bic.len(), 8 | 11) && bic.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let structured = structured(&payment.reference);
    let amount = format!("EUR{}", to_plain(amount, currency.exponent()));
    let text = if structured.is_none() { line(&payment.reference, 140) } else { String::new() };
    let lines = [
        "BCD",
        "002",
        "1",
        "SCT",
        if is_bic { &bic } else { "" },
        &name,
        &iban,
        &amount,
        "",
        structured.as_deref().unwrap_or_default(),
        &text,
    ];
    let payload = lines.join("\n").trim_end().to_owned();
    (payload.len() <= LARGEST).then_some(payload)
}

/// A reference with check digits that are right: the digits of a Belgian one, or one of ISO 11649.
fn structured(reference: &str) -> Option<String> {
    if let Some(ogm) = Ogm::parse(reference) {
        return Some(ogm.digits().to_owned());
    }
    let plain: String = reference.chars().filter(|it| *it != ' ').collect();
    let (head, tail) = plain.split_at_checked(4).filter(|(head, tail)| head.starts_with("RF") && tail.len() <= 21)?;
    let mut rest = 0_u32;
    for character in tail.chars().chain(head.chars()) {
        let value = character.to_digit(36).filter(|_| !character.is_ascii_lowercase())?;
        rest = (rest * if value > 9 { 100 } else { 10 } + value) % 97;
    }
    (rest == 1 && !tail.is_empty()).then_some(plain)
}

/// The side of a code in cells, and its dark cells: column, row, how many to the right.
pub(super) type Square = (Length, Vec<(Length, Length, Length)>);

/// The code as a square: how many cells a side has, and its dark cells (column, row, how many to the right).
pub(super) fn square(payload: &str) -> Option<Square> {
    let code = QrCode::with_error_correction_level(payload.as_bytes(), EcLevel::M).ok()?;
    let side = code.width();
    let mut cells = Vec::new();
    for (row, colours) in (0..).zip(code.to_colors().chunks(side)) {
        let mut column: Length = 0;
        for run in colours.chunk_by(|one, next| one == next) {
            let length = Length::try_from(run.len()).ok()?;
            if run.first() == Some(&Color::Dark) {
                cells.push((column, row, length));
            }
            column += length;
        }
    }
    Some((Length::try_from(side).ok()?, cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(reference: &str) -> Payment {
        Payment {
            iban: "BE68 5390 0754 7034".to_owned(),
            bic: Some("GKCCBEBB".to_owned()),
            beneficiary: "Umbelle\nSC".to_owned(),
            reference: reference.to_owned(),
        }
    }

    #[test]
    fn a_reference_with_right_check_digits_is_structured() {
        let cases = [
            ("+++123/4567/89002+++", "\n\n123456789002"),
            ("RF71 2348 231", "\n\nRF712348231"),
            ("RF72 2348 231", "\n\n\nRF72 2348 231"),
            ("+++123/4567/89003+++", "\n\n\n+++123/4567/89003+++"),
            ("Invoice\n7", "\n\n\nInvoice 7"),
            ("", ""),
        ];
        for (reference, end) in cases {
            let payload = payload(&payment(reference), Minor::new(121_000), Currency::EUR).unwrap();
            let head = "BCD\n002\n1\nSCT\nGKCCBEBB\nUmbelle SC\nBE68539007547034\nEUR1210.00";
            assert_eq!(payload, format!("{head}{end}"));
        }
    }

    #[test]
    fn there_is_no_code_for_what_the_standard_cannot_say() {
        let one = Minor::new(1);
        assert_eq!(payload(&payment(""), Minor::ZERO, Currency::EUR), None);
        assert_eq!(payload(&payment(""), one, "USD".parse().unwrap()), None);
        assert_eq!(payload(&payment(""), Minor::new(100_000_000_000), Currency::EUR), None);
        assert_eq!(payload(&Payment { iban: "12".to_owned(), ..payment("") }, one, Currency::EUR), None);
        assert_eq!(payload(&Payment { beneficiary: " ".to_owned(), ..payment("") }, one, Currency::EUR), None);
        let wide = Payment { beneficiary: "ж".repeat(90), ..payment(&"ж".repeat(200)) };
        assert_eq!(payload(&wide, one, Currency::EUR), None);
    }

    #[test]
    fn a_code_is_a_square_with_three_eyes() {
        let (side, cells) = square("BCD").unwrap();
        assert!(side >= 21 && cells.starts_with(&[(0, 0, 7)]) && cells.contains(&(side - 7, 0, 7)));
        assert!(cells.contains(&(0, side - 1, 7)));
    }
}
