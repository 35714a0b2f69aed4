use std::fmt::Write;

use super::*;
use crate::kernel::money::Minor;

const FROM: Letterhead<'static> = Letterhead { mutual: "Ombelle coop", contact: "bureau@ombelle.example" };

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn every_letter() -> Vec<Letter> {
    let mut letters = all_but_reminders();
    letters.extend(about_accounts());
    letters.push(Letter::PaymentReminder {
        entity: "Ombelle SC".to_owned(),
        number: "2026-0412".to_owned(),
        open: Money::eur(Minor::new(121_000)),
        due_on: day("2026-05-15"),
        days: 12,
        level: 1,
        reference: "+++123/4567/89002+++".to_owned(),
        iban: "BE71096123456769".to_owned(),
        link: "https://umbel.example/l/3f5f0a9c11aa?x=1&y=2".to_owned(),
        cost: None,
        pay_by: None,
    });
    letters.push(Letter::FormalDemand {
        entity: "Ombelle SC".to_owned(),
        number: "2026-0412".to_owned(),
        open: Money::eur(Minor::new(121_000)),
        added: Money::eur(Minor::new(6_088)),
        total: Money::eur(Minor::new(127_088)),
        pay_by: day("2026-07-30"),
        reference: "+++123/4567/89002+++".to_owned(),
        iban: "BE71096123456769".to_owned(),
        link: "https://umbel.example/l/3f5f0a9c11aa?x=1&y=2".to_owned(),
    });
    letters.push(Letter::CollectionQuestion {
        number: "2026-0412".to_owned(),
        client: "Łukasz Øster-Ñuñez & Fils SPRL".to_owned(),
        open: Money::eur(Minor::new(121_000)),
        silent_on: day("2026-07-15"),
    });
    letters
}

fn about_accounts() -> Vec<Letter> {
    let (last4, code) = (|| "3000".to_owned(), || "7K3M-92QX-0VDT-5HRA".to_owned());
    let moment = |text: &str, hour| day(text).and_hms_opt(hour, 5, 0).unwrap();
    vec![
        Letter::EmailChanged { address: "a***@member.example".to_owned() },
        Letter::ConfirmAddress { link: "https://umbel.example/confirm/3f5f0a9c11aa?x=1&y=2".to_owned() },
        Letter::PhoneChanged { ending: "34".to_owned() },
        Letter::BankChangeAsked {
            last4: last4(),
            when: moment("2026-05-04", 10),
            device: "Pixel 8".to_owned(),
            due: moment("2026-05-07", 10),
            code: code(),
        },
        Letter::BankChangeSoon { last4: last4(), due: moment("2026-05-07", 10), code: code() },
        Letter::BankChangeActive { last4: last4() },
        Letter::BankChangeCancelled { last4: last4() },
        Letter::BankChangeRefused { last4: last4(), reason: "Le compte est celui d'une autre personne.".to_owned() },
        Letter::BankDetailsWanted { message: "Votre banque a renvoyé deux paiements.".to_owned() },
        Letter::PayoutHeld { reason: "Nous vérifions votre nouveau compte.".to_owned() },
        Letter::PayoutFree { reason: "Vérifié par téléphone.".to_owned() },
    ]
}

#[expect(clippy::too_many_lines, reason = "one row for each letter")]
fn all_but_reminders() -> Vec<Letter> {
    let total = Money::eur(Minor::new(121_000));
    let amount = Money::eur(Minor::new(92_500));
    let link = || "https://umbel.example/l/3f5f0a9c11aa?x=1&y=2".to_owned();
    let title = || "Atelier d'écriture, 3 jours".to_owned();
    let client = || "Łukasz Øster-Ñuñez & Fils SPRL".to_owned();
    vec![
        Letter::ConfirmEmail { name: "Awa Diop".to_owned(), link: link() },
        Letter::ApplicationReceived,
        Letter::ApplicationInfoRequested { message: "Le verso de la carte.\nMerci !".to_owned() },
        Letter::ApplicationAccepted {
            share_amount: Money::eur(Minor::new(10_000)),
            reference: "+++123/4567/89002+++".to_owned(),
            iban: "BE71096123456769".to_owned(),
        },
        Letter::ApplicationRejected { reason: "L'activité est réglementée.".to_owned() },
        Letter::Welcome,
        Letter::NewDevice {
            when: day("2026-04-15").and_hms_opt(9, 14, 0).unwrap(),
            device: "iPhone, Bruxelles".to_owned(),
        },
        Letter::PasswordReset { link: link() },
        Letter::PasswordChanged,
        Letter::SecondFactorAdded,
        Letter::SecondFactorRemoved,
        Letter::SecondFactorReset { when: day("2026-04-16").and_hms_opt(9, 14, 0).unwrap() },
        Letter::RoleAsked { name: "Pia Payer".to_owned(), role: Role::PayoutApprover, by: "Ada Admin".to_owned() },
        Letter::RoleGranted {
            name: "Pia Payer".to_owned(),
            role: Role::Administrator,
            when: day("2026-04-16").and_hms_opt(9, 14, 0).unwrap(),
        },
        Letter::ApprovalsExpired { entity: "Ombelle SC".to_owned(), total, days: 7 },
        Letter::BankDetailsSet { last4: "6769".to_owned() },
        Letter::OrderToClient {
            member: "Awa Diop".to_owned(),
            entity: "Ombelle SC".to_owned(),
            title: title(),
            total,
            link: link(),
            valid_until: day("2026-04-30"),
        },
        Letter::OrderConfirmed { title: title(), client: client(), message: None },
        Letter::OrderDeclined { title: title(), client: client(), message: Some("Trop tard pour nous.".to_owned()) },
        Letter::OrderChangeRequested {
            title: title(),
            client: client(),
            message: Some("Deux jours\nau lieu de trois ?".to_owned()),
        },
        Letter::InvoiceToClient {
            entity: "Ombelle SC".to_owned(),
            number: "2026-0412".to_owned(),
            total,
            due_on: day("2026-05-15"),
            reference: "+++123/4567/89002+++".to_owned(),
            iban: "BE71096123456769".to_owned(),
            link: link(),
        },
        Letter::InvoiceDisputed {
            number: "2026-0412".to_owned(),
            client: client(),
            total,
            reason: "Deux jours\nau lieu de trois.".to_owned(),
        },
        Letter::InvoiceIssued { number: "2026-0412".to_owned(), total, expected_on: Some(day("2026-04-24")) },
        Letter::InvoiceReturned { client: client(), total, reason: "Le numéro de TVA manque.".to_owned() },
        Letter::RecurringDrafted { title: "Forfait 2026-04".to_owned(), total },
        Letter::RecurringHandedIn { title: "Forfait 2026-04".to_owned(), total },
        Letter::RecurringPaused { title: "Forfait 2026-04".to_owned(), reason: "Le client est archivé.".to_owned() },
        Letter::PlanPays { activity: "Illustration".to_owned(), amount: total, on: day("2026-04-30") },
        Letter::PlanPaysNothing {
            activity: "Illustration".to_owned(),
            available: total,
            least: total,
            on: day("2026-04-30"),
        },
        Letter::PlanRefused {
            activity: "Illustration".to_owned(),
            on: day("2026-04-30"),
            reason: "Le compte n'est pas vérifié.".to_owned(),
        },
        Letter::CreditNoteToClient {
            entity: "Ombelle SC".to_owned(),
            number: "C2026-0007".to_owned(),
            corrects: "2026-0412".to_owned(),
            total,
            reason: "Une journée de trop.".to_owned(),
        },
        Letter::CreditNoteToMember {
            number: "C2026-0007".to_owned(),
            corrects: "2026-0412".to_owned(),
            total,
            share: amount,
            reason: "Une journée de trop.".to_owned(),
        },
        Letter::AdvancePaid { number: "2026-0412".to_owned(), amount },
        Letter::ClientPaid { number: "2026-0412".to_owned(), amount: total },
        Letter::PaymentTakenBack { number: "2026-0412".to_owned(), amount: total },
        Letter::CollectiveInvitation { inviter: "Awa Diop".to_owned(), collective: "Les Ombelles".to_owned() },
        Letter::CollectiveHandOver { inviter: "Awa Diop".to_owned(), collective: "Les Ombelles".to_owned() },
        Letter::InternalInvoiceReceived {
            from: "Bo Li (Mise en page)".to_owned(),
            number: "I2026-0003".to_owned(),
            title: "Mise en page du rapport".to_owned(),
            total: amount,
        },
        Letter::InternalInvoiceWithdrawn {
            from: "Bo Li (Mise en page)".to_owned(),
            number: "I2026-0003".to_owned(),
            total: amount,
        },
        Letter::InternalInvoicePaid {
            from: "Awa Diop (Illustration)".to_owned(),
            number: "I2026-0003".to_owned(),
            total: amount,
        },
        Letter::InternalInvoiceRefused {
            from: "Awa Diop (Illustration)".to_owned(),
            number: "I2026-0003".to_owned(),
            total: amount,
            reason: "Une page manque.".to_owned(),
        },
        Letter::WrittenOffCovered {
            number: "2026-0412".to_owned(),
            client: client(),
            total,
            waiting: Some(Money::eur(Minor::new(20_000))),
        },
        Letter::WrittenOffNotCovered {
            number: "2026-0412".to_owned(),
            client: client(),
            total,
            borne: amount,
            reason: "Faillite prononcée le 2 mai.".to_owned(),
        },
        Letter::PayoutSent { amount, last4: "6769".to_owned() },
        Letter::Payslip { amount, on: day("2026-05-15") },
        Letter::PayoutRejected { amount, reason: "AC04 compte clôturé".to_owned() },
        Letter::PayoutUnconfirmed { amount, last4: "4702".to_owned() },
        Letter::PayoutGivenBack { amount },
        Letter::PayoutReturned { amount, reason: "AC04 compte clôturé".to_owned() },
        Letter::ShareEnding { through: day("2027-05-03") },
        Letter::ShareLapsed { through: day("2027-05-03") },
        Letter::ShareRedeemed {
            amount: Money::eur(Minor::new(4_000)),
            nominal: Money::eur(Minor::new(5_000)),
            closing_on: day("2026-12-31"),
        },
    ]
}

/// The words a person sees in an HTML part.
fn words_of_html(html: &str) -> Vec<String> {
    let body = html.split_once("<body").unwrap().1;
    let mut seen = String::new();
    for piece in body.split('<').skip(1) {
        seen.push(' ');
        seen.push_str(piece.split_once('>').unwrap().1);
    }
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    words_of(&entities.iter().fold(seen, |text, (entity, character)| text.replace(entity, character)))
}

fn words_of(text: &str) -> Vec<String> {
    let marks = |word: &&str| !matches!(*word, ">" | "--" | ":");
    text.split_whitespace().filter(marks).map(|word| word.trim_end_matches(':').to_owned()).collect()
}

#[test]
fn the_four_languages_have_the_same_lines_and_the_same_facts() {
    for language in Language::ALL {
        assert!(words(language).strays().is_empty(), "{language}: {:?}", words(language).strays());
        assert_eq!(words(language).outline(), EN.outline(), "{language}");
    }
    let mut sections: Vec<&str> = every_letter().iter().map(Letter::name).collect();
    sections.push("frame");
    sections.sort_unstable();
    assert_eq!(EN.names().collect::<Vec<_>>(), sections);
    for section in EN.names() {
        for line in EN.section(section) {
            let known = ["subject", "p", "fact", "quote", "action", "hello", "footer"];
            assert!(known.contains(&line.key), "{section}: {}", line.key);
        }
    }
}

#[test]
fn every_letter_in_every_language_is_as_it_was_read() {
    for language in Language::ALL {
        let mut book = String::new();
        for letter in every_letter() {
            let mail = super::write(&letter, language, &FROM).unwrap();
            write!(book, "##### {}\n{}\n\n{}\n", letter.name(), mail.subject, mail.text).unwrap();
        }
        insta::assert_snapshot!(format!("letters_{language}"), book);
    }
}

#[test]
fn the_html_of_every_letter_is_as_it_was_read() {
    let mut book = String::new();
    for letter in every_letter() {
        let mail = super::write(&letter, Language::Fr, &FROM).unwrap();
        write!(book, "<!-- {} -->\n{}\n", letter.name(), mail.html).unwrap();
    }
    insta::assert_snapshot!("letters_html_fr", book);
}

#[test]
fn text_and_html_carry_the_same_words() {
    for language in Language::ALL {
        for letter in every_letter() {
            let mail = super::write(&letter, language, &FROM).unwrap();
            let words = words_of(&mail.text);
            assert!(words.len() > 8, "{language} {letter:?}");
            assert_eq!(words, words_of_html(&mail.html), "{language} {letter:?}");
            assert!(!mail.text.contains(['…', '{', '[']) && !mail.subject.contains(['…', '{', '[']), "{letter:?}");
        }
    }
}

#[test]
fn letters_about_security_carry_no_link() {
    let device =
        Letter::NewDevice { when: day("2026-04-15").and_hms_opt(9, 14, 0).unwrap(), device: "Pixel".to_owned() };
    let mut letters = about_accounts();
    letters.retain(|letter| !matches!(letter, Letter::ConfirmAddress { .. }));
    letters.extend([device, Letter::PasswordChanged, Letter::BankDetailsSet { last4: "6769".to_owned() }]);
    for letter in letters {
        for language in Language::ALL {
            let mail = super::write(&letter, language, &FROM).unwrap();
            for part in [&mail.text, &mail.html] {
                assert!(!part.contains("://") && !part.contains("<a") && !part.contains("href"), "{part}");
            }
        }
    }
}

#[test]
fn a_members_account_is_never_written_in_full() {
    let amount = Money::eur(Minor::new(1));
    let full = "BE71 0961 2345 6769";
    for letter in
        [Letter::BankDetailsSet { last4: full.to_owned() }, Letter::PayoutSent { amount, last4: full.to_owned() }]
    {
        let mail = super::write(&letter, Language::Nl, &FROM).unwrap();
        assert!(mail.text.contains("6769") && !mail.text.contains("2345") && !mail.html.contains("0961"));
    }
}

#[test]
fn what_a_person_typed_cannot_become_a_header_or_markup() {
    let nasty = "x\r\nBcc: all@example.com\u{202e}<img src=x>{{ 7*7 }} {mutual} [y]\u{0}";
    let letter = Letter::OrderChangeRequested {
        title: nasty.to_owned(),
        client: nasty.to_owned(),
        message: Some(nasty.to_owned()),
    };
    for language in Language::ALL {
        let mail = super::write(&letter, language, &FROM).unwrap();
        assert!(!mail.subject.chars().any(char::is_control) && mail.subject.chars().count() <= SUBJECT_MAX);
        assert!(mail.subject.contains("{mutual} [y]"), "{}", mail.subject);
        assert!(!mail.html.contains("<img") && mail.html.contains("&lt;img"));
        assert!(mail.text.contains("{{ 7*7 }}") && !mail.text.contains('\u{202e}'));
        assert_eq!(words_of(&mail.text), words_of_html(&mail.html));
    }
}

#[test]
fn the_first_letter_to_a_client_carries_no_link_of_the_members_choosing() {
    let letter = Letter::OrderToClient {
        member: "Eve WWW.evil.example".to_owned(),
        entity: "Ombelle SC".to_owned(),
        title: "Pay here: https://evil.example/now today".to_owned(),
        total: Money::eur(Minor::new(1)),
        link: "https://umbel.example/l/1".to_owned(),
        valid_until: day("2026-04-30"),
    };
    let mail = super::write(&letter, Language::En, &FROM).unwrap();
    for part in [&mail.subject, &mail.text, &mail.html] {
        assert!(!part.contains("evil"), "{part}");
    }
}

#[test]
fn only_web_links_are_written() {
    for link in ["javascript:alert(1)", "data:text/html,x", "", "//x", "https://x y", "https://x\r\nBcc: y"] {
        let letter = Letter::PasswordReset { link: link.to_owned() };
        assert!(matches!(super::write(&letter, Language::En, &FROM), Err(LetterError::Link)), "{link}");
    }
}

#[test]
fn a_letter_survives_the_queue_and_gets_its_link_at_the_last_moment() {
    for letter in every_letter() {
        let queued = serde_json::to_value(&letter).unwrap();
        assert_eq!(queued["kind"], letter.name());
        assert_eq!(serde_json::from_value::<Letter>(queued).unwrap(), letter);
        let signed = letter.clone().with_link(|reference| format!("{reference}&signature=s"));
        let text = super::write(&signed, Language::En, &FROM).unwrap().text;
        assert_eq!(text.contains("&signature=s"), text.contains("https://"), "{letter:?}");
    }
}
