//! Where electronic invoices reach somebody: participants of the Peppol network.

use std::fmt;

use super::identifiers::{
    belgian_enterprise_number, is_gln, is_norwegian_number, is_siren, is_siret, is_swedish_number, vat_country,
    vat_number,
};

/// A participant: a scheme of the list of electronic addresses (EAS) and the number in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// `0208` Belgian enterprise number, `9925` Belgian VAT number, `0009` SIRET, `0088` GLN …
    pub scheme: String,
    /// The number, without blanks.
    pub value: String,
}

impl Participant {
    /// Reads `0208:0123456749`. Whether the scheme exists and the number fits it is asked elsewhere.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, value) = text.trim().split_once(':')?;
        let is_scheme = scheme.len() == 4 && scheme.bytes().all(|byte| byte.is_ascii_digit());
        let is_value = (1..=50).contains(&value.len())
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':'));
        (is_scheme && is_value).then(|| Self { scheme: scheme.to_owned(), value: value.to_owned() })
    }

    /// Whether the number is one of its scheme, where the network looks: Belgian enterprise and VAT numbers, SIREN,
    /// SIRET, GLN, Nordic and Italian numbers, and the VAT numbers of countries that we sell from.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let value = self.value.as_str();
        match self.scheme.as_str() {
            "0208" => belgian_enterprise_number(value).is_some_and(|digits| digits == value),
            "0002" => is_siren(value),
            "0009" => is_siret(value),
            "0088" => is_gln(value),
            "0007" => is_swedish_number(value),
            "0192" => is_norwegian_number(value),
            "0184" => value.strip_prefix("DK").is_some_and(|digits| is_digits(digits, 8)),
            "0201" => value.len() == 6 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "0210" | "9907" => is_digits(value, 11) || (value.len() == 16 && value.is_ascii()),
            "9925" => vat_number(&value.to_ascii_uppercase()).is_some_and(|number| vat_country(&number) == "BE"),
            scheme => {
                let country = vat_number(value).map(|number| vat_country(&number).to_owned());
                let is_vat = ["9914", "9930", "9957", "9944", "9938", "9920", "0211"].contains(&scheme);
                !is_vat || country.is_some_and(|country| vat_scheme(&country) == Some(scheme))
            }
        }
    }

    /// Where a party is reached that says nothing else: under the number that the state gave it, where the network has
    /// a scheme for that, else under its GLN.
    #[must_use]
    pub fn by_default(
        country: &str,
        enterprise_number: Option<&str>,
        vat_number: Option<&str>,
        gln: Option<&str>,
    ) -> Option<Self> {
        let of = |scheme: &str, value: &str| Self { scheme: scheme.to_owned(), value: value.to_owned() };
        let registered = match country {
            "BE" => {
                let digits = enterprise_number.and_then(belgian_enterprise_number);
                digits.or_else(|| vat_number.and_then(belgian_enterprise_number)).map(|digits| of("0208", &digits))
            }
            "FR" => match enterprise_number {
                Some(number) if is_siret(number) => Some(of("0009", number)),
                Some(number) if is_siren(number) => Some(of("0002", number)),
                Some(_) | None => None,
            },
            _ => None,
        };
        let taxed = || vat_number.and_then(|number| Some(of(vat_scheme(vat_country(number))?, number)));
        registered.or_else(taxed).or_else(|| gln.map(|gln| of("0088", gln)))
    }
}

impl fmt::Display for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.value)
    }
}

fn is_digits(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The scheme of the VAT numbers of a member state (Peppol code list of participant identifier schemes).
fn vat_scheme(country: &str) -> Option<&'static str> {
    Some(match country {
        "AT" => "9914",
        "BG" => "9926",
        "CY" => "9928",
        "CZ" => "9929",
        "DE" => "9930",
        "EE" => "9931",
        "ES" => "9920",
        "FI" => "0213",
        "FR" => "9957",
        "GR" => "9933",
        "HR" => "9934",
        "HU" => "9910",
        "IE" => "9935",
        "IT" => "0211",
        "LT" => "9937",
        "LU" => "9938",
        "LV" => "9939",
        "MT" => "9943",
        "NL" => "9944",
        "PL" => "9945",
        "PT" => "9946",
        "RO" => "9947",
        "SI" => "9949",
        "SK" => "9950",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_participant_is_a_scheme_and_a_number() {
        assert_eq!(Participant::parse("0208:0123456749").unwrap().to_string(), "0208:0123456749");
        for wrong in ["", "0208", "0208:", "208:1", "abcd:1", "0208:a b", "0208:\u{202E}1"] {
            assert_eq!(Participant::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn who_says_nothing_is_reached_under_the_number_that_the_state_gave() {
        let cases = [
            ("BE", None, Some("BE0123456749"), None, Some("0208:0123456749")),
            ("BE", Some("0200.068.636"), None, None, Some("0208:0200068636")),
            ("FR", None, Some("FR40303265045"), None, Some("9957:FR40303265045")),
            ("FR", Some("55210055400013"), Some("FR40303265045"), None, Some("0009:55210055400013")),
            ("BE", None, None, None, None),
            ("US", None, None, None, None),
            ("US", None, None, Some("5412345000013"), Some("0088:5412345000013")),
        ];
        for (country, enterprise_number, vat_number, gln, expected) in cases {
            let found = Participant::by_default(country, enterprise_number, vat_number, gln);
            assert_eq!(found.map(|found| found.to_string()).as_deref(), expected);
        }
    }

    #[test]
    fn a_number_that_checks_itself_is_checked() {
        for (text, expected) in [
            ("0208:0123456749", true),
            ("0208:0123456748", false),
            ("0208:BE0123456749", false),
            ("9925:BE0123456749", true),
            ("9925:0123456748", false),
            ("0088:5412345000013", true),
            ("0088:5412345000014", false),
            ("0009:55210055400013", true),
            ("0009:55210055400014", false),
            ("9930:FR40303265045", false),
            ("0060:123456789", true),
            ("0192:974760673", true),
            ("0192:974760674", false),
            ("0007:5560360793", true),
            ("0007:5560360794", false),
            ("0184:DK12345674", true),
            ("0184:12345674", false),
            ("0211:IT00743110157", true),
            ("0211:IT00743110158", false),
        ] {
            assert_eq!(Participant::parse(text).unwrap().is_sound(), expected, "{text}");
        }
    }
}
