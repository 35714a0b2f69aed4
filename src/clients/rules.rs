//! What a client must be.

use super::{ClientDetails, ClientPatch, ClientRow};
use crate::charter::{self, Reach};
use crate::kernel::identifiers;
use crate::kernel::ids::PersonId;
use crate::kernel::refusal::{Checks, Refusal};

crate::named! {
    /// What a client is, as far as VAT and the guarantee care.
    ClientKind {
        /// An enterprise.
        Business = "business",
        /// The state and what belongs to it.
        PublicBody = "public_body",
        /// A private person.
        Consumer = "consumer",
    }
}

crate::named! {
    /// What the VAT registry answered.
    VatOutcome {
        /// The number exists.
        Valid = "valid",
        /// It does not.
        Invalid = "invalid",
        /// The registry did not answer; nothing is known.
        Unavailable = "unavailable",
    }
}

/// What a member says about a client, in the form in which it is kept.
///
/// # Errors
/// Names every field that is not acceptable.
pub(super) fn details(mut new: ClientDetails) -> Result<ClientDetails, Refusal> {
    let mut checks = Checks::default();
    let texts = [
        (&new.name, "/name", 1, 200),
        (&new.street, "/address/street", 1, 70),
        (&new.building_number, "/address/building_number", 0, 16),
        (&new.postcode, "/address/postcode", 1, 16),
        (&new.town, "/address/town", 1, 35),
    ];
    for (text, pointer, min, max) in texts {
        checks.text(text, pointer, min, max);
    }
    checks.require(identifiers::is_email(&new.email), "/email", "invalid");
    checks.require(identifiers::is_country(&new.country), "/address/country", "invalid");
    checks.require(new.second_language != Some(new.language), "/second_language", "not_allowed");
    let mut vat_number = None;
    if let Some(text) = &new.vat_number {
        vat_number = identifiers::vat_number(text);
        match &vat_number {
            None => checks.refuse("/vat_number", "invalid"),
            // A number of another country would decide wrongly who owes the tax.
            Some(number) if identifiers::vat_country(number) != new.country => {
                checks.refuse("/vat_number", "not_allowed");
            }
            Some(_) if new.kind == ClientKind::Consumer => checks.refuse("/vat_number", "not_allowed"),
            Some(_) => {}
        }
    }
    let enterprise_number = enterprise_number(&new, vat_number.as_deref(), &mut checks);
    let reach = Reach {
        gln: new.gln.clone(),
        electronic_address: new.electronic_address.clone(),
        contact_name: new.contact_name.clone(),
        contact_phone: new.contact_phone.clone(),
    };
    charter::check_reach(&reach, &mut checks);
    checks.done()?;
    new.vat_number = vat_number;
    new.enterprise_number = enterprise_number;
    for text in [&mut new.name, &mut new.street, &mut new.building_number, &mut new.postcode, &mut new.town] {
        *text = text.trim().to_owned();
    }
    Ok(new)
}

/// The number of an enterprise in its register, as it is kept. A private person has none; in Belgium it is the one in the
/// VAT number.
fn enterprise_number(new: &ClientDetails, vat_number: Option<&str>, checks: &mut Checks) -> Option<String> {
    let text = new.enterprise_number.as_deref()?;
    let number = identifiers::enterprise_number(&new.country, text);
    let is_same = new.country != "BE" || vat_number.is_none_or(|vat| vat.get(2..) == number.as_deref());
    let code = if number.is_some() { "not_allowed" } else { "invalid" };
    let holds = number.is_some() && is_same && new.kind != ClientKind::Consumer;
    checks.require(holds, "/enterprise_number", code);
    number
}

/// A client as it is, with what a member changes about it.
pub(super) fn patched(row: &ClientRow, patch: ClientPatch) -> ClientDetails {
    let address = patch.address.unwrap_or_default();
    ClientDetails {
        name: patch.name.unwrap_or_else(|| row.name.clone()),
        kind: patch.kind.unwrap_or(row.kind),
        email: patch.email.unwrap_or_else(|| row.email.clone()),
        language: patch.language.unwrap_or(row.language),
        vat_number: patch.vat_number.over(row.vat_number.clone()),
        enterprise_number: patch.enterprise_number.over(row.enterprise_number.clone()),
        gln: patch.gln.over(row.gln.clone()),
        electronic_address: patch.electronic_address.over(row.electronic_address.clone()),
        contact_name: patch.contact_name.over(row.contact_name.clone()),
        contact_phone: patch.contact_phone.over(row.contact_phone.clone()),
        second_language: patch.second_language.over(row.second_language),
        street: address.street.unwrap_or_else(|| row.street.clone()),
        building_number: address.building_number.unwrap_or_else(|| row.building_number.clone()),
        postcode: address.postcode.unwrap_or_else(|| row.postcode.clone()),
        town: address.town.unwrap_or_else(|| row.town.clone()),
        country: address.country.unwrap_or_else(|| row.country.clone()),
    }
}

/// Whether a client may be changed, and by whom.
///
/// # Errors
/// 403 `role_forbidden` for who is not its member; 409 `client_archived`.
pub(super) fn check_editable(row: &ClientRow, who: PersonId) -> Result<(), Refusal> {
    check_own(row, who)?;
    if row.archived_at.is_some() { Err(Refusal::state("client_archived")) } else { Ok(()) }
}

/// Whether a client is somebody's own.
///
/// # Errors
/// 403 `role_forbidden`: staff look at clients and do not change them.
pub(super) fn check_own(row: &ClientRow, who: PersonId) -> Result<(), Refusal> {
    if row.member_id == who { Ok(()) } else { Err(Refusal::forbidden("role_forbidden")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::language::Language;

    fn atelier() -> ClientDetails {
        ClientDetails {
            name: "Łukasz & Fils".to_owned(),
            kind: ClientKind::Business,
            email: "a@b.be".to_owned(),
            language: Language::Fr,
            vat_number: Some("be 0123.456.749".to_owned()),
            street: "Rue Basse".to_owned(),
            building_number: String::new(),
            postcode: "1000".to_owned(),
            town: "Bruxelles".to_owned(),
            country: "BE".to_owned(),
            enterprise_number: None,
            gln: None,
            electronic_address: None,
            contact_name: None,
            contact_phone: None,
            second_language: None,
        }
    }

    fn refused(details: ClientDetails) -> Vec<(String, &'static str)> {
        let fields = super::details(details).map_err(|refusal| refusal.fields).unwrap_err();
        fields.into_iter().map(|field| (field.pointer, field.code)).collect()
    }

    #[test]
    fn a_vat_number_is_normalised_and_fits_the_country() {
        assert_eq!(details(atelier()).unwrap().vat_number.as_deref(), Some("BE0123456749"));
        assert_eq!(details(ClientDetails { vat_number: None, ..atelier() }).unwrap().vat_number, None);
        let french = ClientDetails { country: "FR".to_owned(), ..atelier() };
        assert_eq!(refused(french), [("/vat_number".to_owned(), "not_allowed")]);
        let greek = ClientDetails { country: "GR".to_owned(), vat_number: Some("EL123456789".to_owned()), ..atelier() };
        assert_eq!(details(greek).unwrap().vat_number.as_deref(), Some("EL123456789"));
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let wrong = ClientDetails {
            name: "  ".to_owned(),
            email: "nowhere".to_owned(),
            country: "be".to_owned(),
            vat_number: Some("BE0123456748".to_owned()),
            town: "x".repeat(36),
            ..atelier()
        };
        let pointers: Vec<String> = refused(wrong).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/name", "/address/town", "/email", "/address/country", "/vat_number"]);
    }

    #[test]
    fn numbers_that_check_themselves_are_checked() {
        let text = |text: &str| Some(text.to_owned());
        let wrong = ClientDetails {
            enterprise_number: text("0403.019.261"),
            gln: text("5412345000014"),
            electronic_address: text("0208:0123456748"),
            ..atelier()
        };
        let pointers: Vec<String> = refused(wrong).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/enterprise_number", "/gln", "/electronic_address"]);
        let right = ClientDetails {
            enterprise_number: text("0123.456.749"),
            gln: text("5412345000013"),
            electronic_address: text("9925:BE0123456749"),
            ..atelier()
        };
        assert_eq!(details(right).unwrap().enterprise_number.as_deref(), Some("0123456749"));
    }

    #[test]
    fn a_private_person_has_no_vat_number() {
        let consumer = ClientDetails { kind: ClientKind::Consumer, ..atelier() };
        assert_eq!(refused(consumer), [("/vat_number".to_owned(), "not_allowed")]);
    }
}
