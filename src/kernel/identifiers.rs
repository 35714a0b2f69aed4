//! Numbers that others gave: enterprises, VAT, countries, bank accounts. Checked by their form.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use iban::IbanLike;

/// A Belgian enterprise number: ten digits, the last two being 97 minus the first eight modulo 97
/// (Crossroads Bank for Enterprises). Answers the ten digits.
#[must_use]
pub fn belgian_enterprise_number(text: &str) -> Option<String> {
    let digits: String = text.trim().trim_start_matches("BE").chars().filter(|c| !matches!(c, '.' | ' ')).collect();
    if digits.len() != 10 || !digits.bytes().all(|byte| byte.is_ascii_digit()) || !digits.starts_with(['0', '1']) {
        return None;
    }
    let body: u32 = digits.get(..8)?.parse().ok()?;
    let check: u32 = digits.get(8..)?.parse().ok()?;
    let expected = 97_u32.checked_sub(body.checked_rem(97)?)?;
    (expected == check).then_some(digits)
}

/// The number of an enterprise in the register of its country, as it is kept: the ten digits of a Belgian one, a SIREN
/// or SIRET with its check digit in France, letters and digits elsewhere.
#[must_use]
pub fn enterprise_number(country: &str, text: &str) -> Option<String> {
    let compact: String = text.chars().filter(|c| !matches!(c, ' ' | '.' | '-')).collect();
    match country {
        "BE" => belgian_enterprise_number(text),
        "FR" => Some(compact).filter(|number| is_siren(number) || is_siret(number)),
        _ => {
            let fits = (1..=20).contains(&compact.len()) && compact.bytes().all(|byte| byte.is_ascii_alphanumeric());
            fits.then_some(compact)
        }
    }
}

/// Nine digits with the check digit of Luhn: an enterprise in France.
#[must_use]
pub fn is_siren(text: &str) -> bool {
    text.len() == 9 && luhn(text) == Some(0)
}

/// Fourteen digits with the check digit of Luhn: an establishment in France, its SIREN first. Those of La Poste
/// (356000000) add up to a multiple of five instead.
#[must_use]
pub fn is_siret(text: &str) -> bool {
    let of_post = || {
        let sum: Option<u32> = text.chars().try_fold(0_u32, |sum, c| sum.checked_add(c.to_digit(10)?));
        text.starts_with("356000000") && sum.is_some_and(|sum| sum.is_multiple_of(5))
    };
    text.len() == 14 && (luhn(text) == Some(0) || of_post())
}

/// Ten digits of which the last checks the others: an enterprise in Sweden.
#[must_use]
pub fn is_swedish_number(text: &str) -> bool {
    text.len() == 10 && luhn(text) == Some(0)
}

/// Nine digits of which the last checks the others modulo eleven: an enterprise in Norway.
#[must_use]
pub fn is_norwegian_number(text: &str) -> bool {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 9) else { return false };
    let weighted = digits.iter().zip([3_u32, 2, 7, 6, 5, 4, 3, 2, 1]);
    let sum = weighted.fold(0_u32, |sum, (digit, weight)| sum.saturating_add(digit.saturating_mul(weight)));
    sum.is_multiple_of(11)
}

/// The sum of Luhn (ISO/IEC 7812-1) modulo ten.
fn luhn(text: &str) -> Option<u32> {
    let mut sum = 0_u32;
    for (digit, weight) in text.chars().rev().zip([1_u32, 2].into_iter().cycle()) {
        let product = digit.to_digit(10)?.checked_mul(weight)?;
        sum = sum.checked_add(if product > 9 { product.checked_sub(9)? } else { product })?;
    }
    sum.checked_rem(10)
}

/// Whether a GLN (GS1) has thirteen digits of which the last checks the others.
#[must_use]
pub fn is_gln(text: &str) -> bool {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 13) else { return false };
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([1_u32, 3].into_iter().cycle())
        .fold(0, |sum, (digit, weight)| sum.saturating_add(digit.saturating_mul(weight)));
    sum.is_multiple_of(10)
}

/// A VAT number of the European Union, normalised (`BE 0123.456.749` is `BE0123456749`), or `None`.
///
/// The form is that of each member state (Commission, VIES FAQ no. 11); Belgian and Italian check digits are verified, and
/// French ones where the key is of digits.
#[must_use]
pub fn vat_number(text: &str) -> Option<String> {
    let compact: String =
        text.chars().filter(|c| !matches!(c, ' ' | '.' | '-')).map(|c| c.to_ascii_uppercase()).collect();
    if !compact.is_ascii() {
        return None;
    }
    let (country, body) = compact.split_at_checked(2)?;
    let digits = |range: std::ops::RangeInclusive<usize>| {
        range.contains(&body.len()) && body.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mixed = |range: std::ops::RangeInclusive<usize>| {
        range.contains(&body.len())
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && body.bytes().any(|byte| byte.is_ascii_digit())
    };
    let fits = match country {
        "BE" => return belgian_enterprise_number(body).map(|digits| format!("BE{digits}")),
        "DE" | "EE" | "PT" | "EL" => digits(9..=9),
        "DK" | "FI" | "HU" | "LU" | "MT" | "SI" => digits(8..=8),
        "IT" => digits(11..=11) && luhn(body) == Some(0),
        "HR" | "LV" => digits(11..=11),
        "PL" | "SK" => digits(10..=10),
        "SE" => digits(12..=12),
        "LT" => digits(9..=12),
        "CZ" => digits(8..=10),
        "RO" => digits(2..=10),
        "BG" => digits(9..=10),
        "AT" | "CY" | "ES" => mixed(9..=9),
        "FR" => mixed(11..=11) && french_key(body) != Some(false),
        "NL" => mixed(12..=12),
        "IE" => mixed(8..=9),
        _ => false,
    };
    fits.then_some(compact)
}

/// Whether the two digits before a SIREN check it (Code général des impôts, annex II, art. 202 B); `None` for a key with
/// letters, whose computation the tax office keeps to itself.
fn french_key(body: &str) -> Option<bool> {
    let key: u64 = body.get(..2)?.parse().ok()?;
    let siren: u64 = body.get(2..)?.parse().ok()?;
    let expected = siren.checked_rem(97)?.checked_mul(3)?.checked_add(12)?.checked_rem(97)?;
    Some(key == expected)
}

/// The country (ISO 3166-1) of a VAT number; Greece writes `EL`.
#[must_use]
pub fn vat_country(vat_number: &str) -> &str {
    match vat_number.get(..2) {
        Some("EL") => "GR",
        Some(country) => country,
        None => "",
    }
}

/// Two capital letters (ISO 3166-1 alpha-2).
#[must_use]
pub fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Plausible as an e-mail address: what a mail server can be asked to deliver to.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let clean = |part: &str| {
        part.bytes().all(|b| {
            b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b',' | b';' | b'"' | b'(' | b')' | b'\\' | b'@')
        })
    };
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && clean(local)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.split('.').count() >= 2
        && domain.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// An IBAN whose check digits and length fit its country (ISO 13616), without spaces.
#[must_use]
pub fn iban(text: &str) -> Option<String> {
    let compact: String = text.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect();
    let iban: iban::Iban = compact.parse().ok()?;
    Some(iban.electronic_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vat_number_is_normalised_or_refused() {
        let cases = [
            ("BE 0123.456.749", Some("BE0123456749")),
            ("BE0123456748", None),
            ("be0123456749", Some("BE0123456749")),
            ("DE123456789", Some("DE123456789")),
            ("DE12345678", None),
            ("FRXX123456789", Some("FRXX123456789")),
            ("FR96552100554", Some("FR96552100554")),
            ("FR95552100554", None),
            ("IT00743110157", Some("IT00743110157")),
            ("IT00743110158", None),
            ("NL123456789B01", Some("NL123456789B01")),
            ("US123456789", None),
            ("é", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(vat_number(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_of_enterprises_and_places_check_themselves() {
        let cases = [
            ("BE", "0403.019.261", Some("0403019261")),
            ("BE", "0403019262", None),
            ("FR", "552 100 554", Some("552100554")),
            ("FR", "552100555", None),
            ("FR", "55210055400013", Some("55210055400013")),
            ("FR", "55210055400014", None),
            ("FR", "35600000000048", Some("35600000000048")),
            ("DE", "HRB 1234", Some("HRB1234")),
            ("DE", "HRB/1", None),
        ];
        for (country, text, expected) in cases {
            assert_eq!(enterprise_number(country, text).as_deref(), expected, "{text}");
        }
        for (text, expected) in
            [("5412345000013", true), ("5412345000014", false), ("541234500001", false), ("x", false)]
        {
            assert_eq!(is_gln(text), expected, "{text}");
        }
    }

    #[test]
    fn an_iban_is_checked_by_its_digits_and_length() {
        assert_eq!(iban("BE71 0961 2345 6769").as_deref(), Some("BE71096123456769"));
        for text in ["BE71096123456760", "BE7109612345676", "", "XX00", "BE71-0961"] {
            assert_eq!(iban(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_that_could_break_a_header_is_no_address() {
        for text in ["a@b.be", "first.last+tag@sub.example.org"] {
            assert!(is_email(text), "{text}");
        }
        for text in ["a@b", "a b@c.be", "a@b.be\r\nBcc: x@y.be", "@b.be", "a@.be", "a..b@c.be", "<a@b.be>", "é@b.be"] {
            assert!(!is_email(text), "{text}");
        }
    }
}
