//! The words of a formal demand, and of what the law adds to an invoice that is late. It is drawn like a reminder.

use chrono::NaiveDate;

use crate::formats::local;
use crate::kernel::interest::Segment;
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor, Ppm};

/// What is claimed beside the invoice.
#[derive(Debug, Clone, Copy)]
pub enum ClaimLine<'a> {
    /// Interest of some days on one base at one rate.
    Interest(&'a Segment, Currency),
    /// The fixed compensation.
    Compensation,
    /// What reminders cost.
    Reminders,
}

/// The label of a line of the claim.
#[must_use]
pub fn claim_label(language: Language, line: ClaimLine<'_>) -> String {
    match (line, language) {
        (ClaimLine::Interest(segment, currency), _) => interest(language, segment, currency),
        (ClaimLine::Compensation, Language::Fr) => "Indemnité forfaitaire".to_owned(),
        (ClaimLine::Compensation, Language::Nl) => "Forfaitaire vergoeding".to_owned(),
        (ClaimLine::Compensation, Language::En) => "Fixed compensation".to_owned(),
        (ClaimLine::Compensation, Language::De) => "Verzugspauschale".to_owned(),
        (ClaimLine::Reminders, Language::Fr) => "Frais de rappel".to_owned(),
        (ClaimLine::Reminders, Language::Nl) => "Herinneringskosten".to_owned(),
        (ClaimLine::Reminders, Language::En) => "Cost of reminders".to_owned(),
        (ClaimLine::Reminders, Language::De) => "Mahnkosten".to_owned(),
    }
}

fn interest(language: Language, segment: &Segment, currency: Currency) -> String {
    let base = local::amount(language, segment.base_minor, currency);
    let rate = local::percent(language, Ppm(segment.rate_ppm));
    let [from, through] = [segment.from, segment.through].map(|on| local::date(language, on));
    let days = segment.days;
    match language {
        Language::Fr => format!("Intérêts {rate} sur {base}, du {from} au {through} (jours\u{a0}: {days})"),
        Language::Nl => format!("Interest {rate} op {base}, van {from} tot en met {through} (dagen: {days})"),
        Language::En => format!("Interest {rate} on {base}, {from} to {through} (days: {days})"),
        Language::De => format!("Zinsen {rate} auf {base}, {from} bis {through} (Tage: {days})"),
    }
}

/// What a demand rests on.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// The number of the invoice.
    pub number: &'a str,
    /// The last day on which it could be paid in time.
    pub due_on: NaiveDate,
    /// The days of the reminders.
    pub reminded_on: &'a [NaiveDate],
    /// The last day to pay the demand.
    pub pay_by: NaiveDate,
    /// The rate at which interest goes on, if it does.
    pub rate: Option<Ppm>,
}

/// What the demand says above its figures.
#[must_use]
pub fn letter(language: Language, it: &Demand<'_>) -> Vec<String> {
    let number = it.number;
    let [due_on, pay_by] = [it.due_on, it.pay_by].map(|on| local::date(language, on));
    let reminded: Vec<String> = it.reminded_on.iter().map(|on| local::date(language, *on)).collect();
    let reminded = reminded.join("; ");
    let rate = it.rate.map(|rate| local::percent(language, rate));
    let (claim, goes_on, else_, dispute) = match language {
        Language::Fr => (
            format!(
                "La facture {number}, à payer au plus tard le {due_on}, reste impayée malgré nos rappels ({reminded}). Nous vous mettons en demeure de payer le montant ci-dessous au plus tard le {pay_by}."
            ),
            rate.map(|rate| format!("Les intérêts continuent de courir au taux de {rate} l’an jusqu’au paiement.")),
            "À défaut, la créance peut être confiée à un bureau de recouvrement ou portée devant le tribunal, sans autre avis.",
            "Si vous contestez cette créance, dites-le-nous par écrit avant cette date, avec vos raisons.",
        ),
        Language::Nl => (
            format!(
                "Factuur {number}, te betalen uiterlijk op {due_on}, is ondanks onze herinneringen ({reminded}) niet betaald. Wij stellen u in gebreke om het onderstaande bedrag te betalen uiterlijk op {pay_by}."
            ),
            rate.map(|rate| format!("De interest loopt door tegen {rate} per jaar tot de dag van betaling.")),
            "Zo niet kan de vordering zonder verder bericht aan een incassobureau worden toevertrouwd of voor de rechtbank worden gebracht.",
            "Betwist u deze vordering, laat het ons dan vóór die dag schriftelijk en met redenen weten.",
        ),
        Language::En => (
            format!(
                "Invoice {number}, to be paid by {due_on}, is not paid despite our reminders ({reminded}). We formally demand payment of the amount below by {pay_by}."
            ),
            rate.map(|rate| format!("Interest runs on at {rate} a year until the day of payment.")),
            "Failing that, the claim may be handed to a collection agency or brought before the court without further notice.",
            "If you dispute this claim, tell us in writing and with your reasons before that day.",
        ),
        Language::De => (
            format!(
                "Die Rechnung {number}, zu zahlen bis {due_on}, ist trotz unserer Erinnerungen ({reminded}) nicht bezahlt. Wir fordern Sie förmlich auf, den unten stehenden Betrag bis {pay_by} zu zahlen."
            ),
            rate.map(|rate| format!("Die Zinsen laufen mit {rate} im Jahr bis zum Tag der Zahlung weiter.")),
            "Andernfalls kann die Forderung ohne weitere Ankündigung an ein Inkassobüro abgegeben oder vor Gericht gebracht werden.",
            "Bestreiten Sie diese Forderung, so teilen Sie es uns vor diesem Tag schriftlich und mit Gründen mit.",
        ),
    };
    [Some(claim), goes_on, Some(else_.to_owned()), Some(dispute.to_owned())].into_iter().flatten().collect()
}

/// On what the added amounts rest: rates with the source of each, and that of the compensation.
#[must_use]
pub fn legal_basis(language: Language, rates: &[(Ppm, String)], law: Option<&str>) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for (rate, source) in rates {
        let rate = local::percent(language, *rate);
        said.push(match language {
            Language::Fr => format!("Intérêts au taux de {rate} l’an\u{a0}: {source}."),
            Language::Nl => format!("Interest tegen {rate} per jaar: {source}."),
            Language::En => format!("Interest at {rate} a year: {source}."),
            Language::De => format!("Zinsen von {rate} im Jahr: {source}."),
        });
    }
    if let Some(source) = law {
        let label = claim_label(language, ClaimLine::Compensation);
        said.push(match language {
            Language::Fr => format!("{label}\u{a0}: {source}."),
            Language::Nl | Language::En | Language::De => format!("{label}: {source}."),
        });
    }
    if !said.is_empty() {
        let outside = match language {
            Language::Fr => "Ces montants s’ajoutent à la facture sans TVA.",
            Language::Nl => "Deze bedragen komen zonder btw bij de factuur.",
            Language::En => "These amounts are added to the invoice without VAT.",
            Language::De => "Diese Beträge kommen ohne Umsatzsteuer zur Rechnung hinzu.",
        };
        said.push(outside.to_owned());
    }
    said
}

/// What a first reminder must announce where the law grants a grace: until when nothing is added, and what may be then.
#[must_use]
pub fn announcement(
    language: Language,
    pay_by: NaiveDate,
    (rate, compensation, currency): (Option<Ppm>, Option<Minor>, Currency),
) -> String {
    let pay_by = local::date(language, pay_by);
    let rate = rate.map(|rate| local::percent(language, rate));
    let sum = compensation.map(|sum| local::amount(language, sum, currency));
    let (free, interest, fixed) = match language {
        Language::Fr => (
            format!("Ce premier rappel est gratuit. Si vous payez au plus tard le {pay_by}, rien n’est ajouté."),
            rate.map(|rate| format!("Ensuite, des intérêts de {rate} l’an peuvent être réclamés.")),
            sum.map(|sum| format!("Une indemnité forfaitaire de {sum} peut s’y ajouter.")),
        ),
        Language::Nl => (
            format!("Deze eerste herinnering is gratis. Betaalt u uiterlijk op {pay_by}, dan komt er niets bij."),
            rate.map(|rate| format!("Daarna kan interest van {rate} per jaar worden gevraagd.")),
            sum.map(|sum| format!("Daarbij kan een forfaitaire vergoeding van {sum} komen.")),
        ),
        Language::En => (
            format!("This first reminder is free. If you pay by {pay_by}, nothing is added."),
            rate.map(|rate| format!("After that, interest of {rate} a year may be claimed.")),
            sum.map(|sum| format!("A fixed compensation of {sum} may be added.")),
        ),
        Language::De => (
            format!("Diese erste Erinnerung ist kostenlos. Zahlen Sie bis {pay_by}, kommt nichts hinzu."),
            rate.map(|rate| format!("Danach können Zinsen von {rate} im Jahr verlangt werden.")),
            sum.map(|sum| format!("Hinzukommen kann eine Pauschale von {sum}.")),
        ),
    };
    [Some(free), interest, fixed].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
