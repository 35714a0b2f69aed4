//! The code lists of EN 16931, kept in `codes.txt`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::kernel::lines::DocumentLine;
use crate::kernel::refusal::Checks;

static LISTS: LazyLock<HashMap<&str, HashSet<&str>>> = LazyLock::new(|| {
    let mut lists: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut name = "";
    for line in include_str!("codes.txt").lines() {
        match line.strip_prefix("= ") {
            Some(opened) => name = opened,
            None if line.starts_with('%') => {}
            None => lists.entry(name).or_default().extend(line.split(' ')),
        }
    }
    lists
});

/// A code list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// ISO 4217.
    Currency,
    /// ISO 3166-1 alpha-2.
    Country,
    /// What a VAT number may begin with: countries, and `EL` of Greece.
    VatPrefix,
    /// UN/ECE Recommendations 20 and 21.
    Unit,
    /// ISO 6523 ICD.
    Registration,
    /// Electronic address schemes.
    Address,
    /// Electronic address schemes of the Peppol network.
    PeppolAddress,
    /// UNTDID 4461.
    Means,
    /// UNTDID 5189.
    Allowance,
    /// UNTDID 7161.
    Charge,
    /// VATEX.
    Exemption,
    /// UNTDID 4451.
    Note,
    /// Kinds of embedded files.
    Mime,
}

impl List {
    const fn name(self) -> &'static str {
        match self {
            Self::Currency => "currency",
            Self::Country => "country",
            Self::VatPrefix => "vat_prefix",
            Self::Unit => "unit",
            Self::Registration => "registration",
            Self::Address => "address",
            Self::PeppolAddress => "peppol_address",
            Self::Means => "means",
            Self::Allowance => "allowance",
            Self::Charge => "charge",
            Self::Exemption => "exemption",
            Self::Note => "note",
            Self::Mime => "mime",
        }
    }

    /// Whether the list has the code.
    pub(super) fn has(self, code: &str) -> bool {
        LISTS.get(self.name()).is_some_and(|list| list.contains(code))
    }
}

/// Whether UN/ECE Recommendation 20 or 21 has the unit.
#[must_use]
pub fn is_unit(code: &str) -> bool {
    List::Unit.has(code)
}

/// Whether the VATEX list has the reason for an exemption.
#[must_use]
pub fn is_exemption(code: &str) -> bool {
    List::Exemption.has(code)
}

/// Whether electronic invoices can be addressed by the scheme (EAS list).
#[must_use]
pub fn is_address_scheme(code: &str) -> bool {
    List::Address.has(code)
}

/// Whether the Peppol network has the scheme of an address.
#[must_use]
pub fn is_peppol_scheme(code: &str) -> bool {
    List::PeppolAddress.has(code)
}

/// Notes every unit of the lines that UN/ECE Recommendation 20 or 21 does not have.
pub fn check_units(lines: &[DocumentLine], checks: &mut Checks) {
    for (index, line) in lines.iter().enumerate() {
        checks.require(is_unit(&line.unit), &format!("/lines/{index}/unit"), "invalid");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_has_what_is_used_every_day_and_not_what_is_nothing() {
        let cases = [
            (List::Currency, "EUR"),
            (List::Country, "BE"),
            (List::VatPrefix, "EL"),
            (List::Unit, "HUR"),
            (List::Registration, "0208"),
            (List::Address, "9925"),
            (List::PeppolAddress, "0208"),
            (List::Means, "58"),
            (List::Allowance, "95"),
            (List::Charge, "FC"),
            (List::Exemption, "VATEX-EU-AE"),
            (List::Note, "PMD"),
            (List::Mime, "application/pdf"),
        ];
        for (list, code) in cases {
            assert!(list.has(code), "{code}");
            assert!(!list.has("nothing") && !list.has("") && !list.has("=") && !list.has("%"), "{list:?}");
        }
    }
}
