//! What an entity, a bank account and a rule set must be.

use chrono::NaiveDate;

use super::{NewAgreement, NewBankAccount, NewEntity, NewRuleSet, Reach};
use crate::formats::einvoice::codes;
use crate::kernel::identifiers;
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::peppol::Participant;
use crate::kernel::refusal::{Checks, Refusal};

/// An entity with its numbers in the form in which they are kept.
///
/// # Errors
/// Names every field that is not acceptable.
pub(super) fn entity(mut new: NewEntity) -> Result<NewEntity, Refusal> {
    let mut checks = Checks::default();
    let texts = [
        (&new.name, "/name", 1, 70),
        (&new.legal_form, "/legal_form", 1, 70),
        (&new.register, "/register", 0, 140),
        (&new.street, "/address/street", 1, 70),
        (&new.building_number, "/address/building_number", 0, 16),
        (&new.postcode, "/address/postcode", 1, 16),
        (&new.town, "/address/town", 1, 35),
    ];
    for (text, pointer, min, max) in texts {
        checks.text(text, pointer, min, max);
    }
    checks.require(identifiers::is_country(&new.country), "/address/country", "invalid");
    checks.require(identifiers::is_email(&new.email), "/email", "invalid");
    checks.require(new.zone.parse::<chrono_tz::Tz>().is_ok(), "/zone", "invalid");
    let number = identifiers::enterprise_number(&new.country, &new.enterprise_number);
    check_reach(&new.reach, &mut checks);
    checks.require(number.is_some(), "/enterprise_number", "invalid");
    let vat = identifiers::vat_number(&new.vat_number).filter(|vat| identifiers::vat_country(vat) == new.country);
    checks.require(vat.is_some(), "/vat_number", "invalid");
    checks.done()?;
    new.enterprise_number = number.unwrap_or_default();
    new.vat_number = vat.unwrap_or_default();
    let texts = [
        &mut new.name,
        &mut new.legal_form,
        &mut new.register,
        &mut new.street,
        &mut new.building_number,
        &mut new.postcode,
        &mut new.town,
    ];
    for text in texts {
        *text = text.trim().to_owned();
    }
    Ok(new)
}

/// Notes what is wrong with how somebody is reached: a scheme that the network does not have, a number that does not
/// check.
pub(super) fn check_reach(reach: &Reach, checks: &mut Checks) {
    checks.require(reach.gln.as_deref().is_none_or(identifiers::is_gln), "/gln", "invalid");
    let is_address = |text: &str| {
        let participant = Participant::parse(text).filter(|participant| participant.to_string() == text);
        participant.is_some_and(|it| codes::is_peppol_scheme(&it.scheme) && it.is_sound())
    };
    checks.require(reach.electronic_address.as_deref().is_none_or(is_address), "/electronic_address", "invalid");
    for (text, pointer, max) in
        [(&reach.contact_name, "/contact_name", 100), (&reach.contact_phone, "/contact_phone", 30)]
    {
        if let Some(text) = text {
            checks.text(text, pointer, 1, max);
        }
    }
}

/// Money of ours moves by SEPA credit transfer, and that moves euros only.
pub(super) fn check_currency(currency: Currency, pointer: &str, checks: &mut Checks) {
    checks.require(currency == Currency::EUR, pointer, "not_allowed");
}

/// A bank account with its IBAN in the form in which it is kept.
///
/// # Errors
/// Names every field that is not acceptable.
pub(super) fn bank_account(mut new: NewBankAccount) -> Result<NewBankAccount, Refusal> {
    let mut checks = Checks::default();
    let iban = identifiers::iban(&new.iban);
    checks.require(iban.is_some(), "/iban", "invalid");
    let is_bic = |bic: &str| {
        matches!(bic.len(), 8 | 11)
            && bic.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && bic.get(4..6).is_some_and(identifiers::is_country)
    };
    checks.require(new.bic.as_deref().is_none_or(is_bic), "/bic", "invalid");
    check_currency(new.currency, "/currency", &mut checks);
    checks.done()?;
    new.iban = iban.unwrap_or_default();
    Ok(new)
}

/// Days that a rule or a text may begin on.
fn is_plausible(day: NaiveDate) -> bool {
    use chrono::Datelike;
    (2000..=2200).contains(&day.year())
}

/// Whether a rule set may be published, beside its levies.
pub(super) fn check_rule_set(new: &NewRuleSet, mut checks: Checks) -> Result<(), Refusal> {
    checks.text(&new.decision, "/decision", 1, 500);
    checks.require(is_plausible(new.valid_from), "/valid_from", "out_of_range");
    checks.require(is_plausible(new.decided_on), "/decided_on", "out_of_range");
    checks.require(new.decided_on <= new.valid_from, "/decided_on", "out_of_range");
    let within = |money: Money, least: i64| (least..=Minor::LIMIT).contains(&money.amount_minor.get());
    checks.require(within(new.share_price, 1), "/share_price/amount_minor", "out_of_range");
    checks.require(within(new.client_limit, 0), "/client_limit/amount_minor", "out_of_range");
    check_currency(new.share_price.currency, "/share_price/currency", &mut checks);
    check_currency(new.client_limit.currency, "/client_limit/currency", &mut checks);
    checks.require((0..=120).contains(&new.payment_terms_days), "/payment_terms_days", "out_of_range");
    checks.require((0..=90).contains(&new.advance_working_days), "/advance_working_days", "out_of_range");
    let limits = [
        (new.member_limit, "/member_limit"),
        (new.new_pair_limit, "/new_pair_limit"),
        (new.pause_below, "/pause_below"),
    ];
    for (limit, pointer) in limits {
        let Some(limit) = limit else { continue };
        checks.require(within(limit, 0), &format!("{pointer}/amount_minor"), "out_of_range");
        check_currency(limit.currency, &format!("{pointer}/currency"), &mut checks);
    }
    let kept: i64 = new.levies.iter().fold(0, |sum, levy| sum.saturating_add(levy.highest_rate().0));
    checks.require(kept <= Ppm::WHOLE, "/levies", "out_of_range");
    checks.done()
}

/// Whether a text of the agreement may be published.
pub(super) fn check_agreement(new: &NewAgreement) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    checks.text(&new.body, "/body", 1, 100_000);
    checks.require((1..=10_000).contains(&new.version_number), "/version_number", "out_of_range");
    checks.require(is_plausible(new.valid_from), "/valid_from", "out_of_range");
    checks.done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::{BankAccountId, EntityId};
    use uuid::Uuid;

    fn belgian() -> NewEntity {
        NewEntity {
            id: EntityId(Uuid::nil()),
            name: " Ombelle ".to_owned(),
            legal_form: "SC".to_owned(),
            enterprise_number: "0123.456.749".to_owned(),
            vat_number: "be 0123.456.749".to_owned(),
            register: String::new(),
            street: "Rue Haute".to_owned(),
            building_number: "1".to_owned(),
            postcode: "1000".to_owned(),
            town: "Bruxelles".to_owned(),
            country: "BE".to_owned(),
            zone: "Europe/Brussels".to_owned(),
            email: "hello@ombelle.example".to_owned(),
            reach: Reach::default(),
        }
    }

    #[test]
    fn an_entity_is_kept_in_normal_form() {
        let kept = entity(belgian()).unwrap();
        assert_eq!((kept.name.as_str(), kept.enterprise_number.as_str()), ("Ombelle", "0123456749"));
        assert_eq!(kept.vat_number, "BE0123456749");
    }

    #[test]
    fn everything_wrong_with_an_entity_is_named_at_once() {
        let wrong = NewEntity {
            name: String::new(),
            vat_number: "FRXX123456789".to_owned(),
            enterprise_number: "0123.456.748".to_owned(),
            zone: "Europe/Bruxelles".to_owned(),
            email: "nobody".to_owned(),
            ..belgian()
        };
        let found: Vec<String> = entity(wrong).unwrap_err().fields.into_iter().map(|field| field.pointer).collect();
        assert_eq!(found, ["/name", "/email", "/zone", "/enterprise_number", "/vat_number"]);
    }

    #[test]
    fn a_bank_account_is_in_euros_with_a_true_iban() {
        let account = |iban: &str, bic: Option<&str>, currency: &str| {
            bank_account(NewBankAccount {
                id: BankAccountId(Uuid::nil()),
                entity: EntityId(Uuid::nil()),
                iban: iban.to_owned(),
                bic: bic.map(str::to_owned),
                currency: currency.parse().unwrap(),
            })
        };
        assert_eq!(account("BE71 0961 2345 6769", Some("GKCCBEBB"), "EUR").unwrap().iban, "BE71096123456769");
        assert!(account("BE71096123456760", None, "EUR").is_err());
        assert!(account("BE71096123456769", Some("gkccbebb"), "EUR").is_err());
        assert!(account("BE71096123456769", Some("1234€567"), "EUR").is_err());
        assert!(account("BE71096123456769", None, "USD").is_err());
    }
}
