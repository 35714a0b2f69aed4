use super::*;
use crate::formats::golden::assert_golden;
use crate::formats::sepa_text::to_sepa;
use proptest::prelude::*;

fn party(name: &str, iban: &str, town: &str, country: &str) -> Party {
    Party {
        name: to_sepa(name, 70).text,
        address: Address {
            street: Some("Rue de l'Exemple".into()),
            building: Some("12 bte 3".into()),
            post_code: Some("1060".into()),
            town: town.into(),
            country: country.into(),
        },
        iban: iban.parse().unwrap(),
        bic: None,
    }
}

fn transfer(n: u32, amount: i64, creditor: Party) -> Transfer {
    Transfer {
        end_to_end_id: format!("PAYOUT-2026-{n:06}"),
        instruction_id: None,
        amount: Minor::new(amount),
        creditor,
        remittance: Some(format!("Payout 2026-{n:04}")),
        structured: None,
    }
}

fn file() -> CreditTransferFile {
    let mut second = party("Łukasz Øster-Ñuñez & Fils SPRL", "NL91ABNA0417164300", "Rotterdam", "NL");
    second.bic = Some("ABNANL2A".into());
    second.address.building = None;
    let mut transfers = vec![
        transfer(1, 92_500, party("Ada Peeters", "BE71096123456769", "Bruxelles", "BE")),
        transfer(2, 123_405, second),
        transfer(3, 1, party("Jo Schmidt", "DE89370400440532013000", "Berlin", "DE")),
    ];
    transfers[1].instruction_id = Some("BATCH-7/2".into());
    transfers[2].remittance = None;
    CreditTransferFile {
        message_id: "UMBEL-BATCH-2026-0007".into(),
        created_at: "2026-03-12T09:30:00Z".parse().unwrap(),
        initiator_name: "Ombelle SC".into(),
        payment_id: "UMBEL-BATCH-2026-0007-1".into(),
        execution_on: NaiveDate::from_ymd_opt(2026, 3, 13).unwrap(),
        batch_booking: false,
        debtor: party("Ombelle SC", "BE62510007547061", "Bruxelles", "BE"),
        transfers,
    }
}

#[test]
fn the_sample_file_is_the_golden_one() {
    assert_golden("pain001/payouts.xml", &write(&file()).unwrap());
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    assert_eq!(write(&file()), write(&file()));
}

#[test]
fn count_and_control_sum_are_those_of_the_transfers() {
    let text = String::from_utf8(write(&file()).unwrap()).unwrap();
    assert_eq!(text.matches("<NbOfTxs>3</NbOfTxs>").count(), 2);
    assert_eq!(text.matches("<CtrlSum>2159.06</CtrlSum>").count(), 2);
    assert!(text.contains("<InstdAmt Ccy=\"EUR\">925.00</InstdAmt>"));
    assert!(text.contains("<InstdAmt Ccy=\"EUR\">0.01</InstdAmt>"));
}

#[test]
fn a_debtor_bank_that_is_not_known_is_said_to_be_so_and_one_that_is_is_named() {
    let mut file = file();
    assert!(String::from_utf8(write(&file).unwrap()).unwrap().contains("<Id>NOTPROVIDED</Id>"));
    file.debtor.bic = Some("KREDBEBB".into());
    let text = String::from_utf8(write(&file).unwrap()).unwrap();
    assert!(text.contains("<BICFI>KREDBEBB</BICFI>") && !text.contains("NOTPROVIDED"));
}

#[test]
fn what_a_bank_would_refuse_is_refused_by_name_and_field() {
    type Break = fn(&mut CreditTransferFile);
    let cases: [(&str, &str, Break); 24] = [
        ("transfers_missing", "", |f| f.transfers.clear()),
        ("transfer_amount_out_of_range", "transfers[1].amount", |f| f.transfers[1].amount = Minor::ZERO),
        ("transfer_amount_out_of_range", "transfers[0].amount", |f| f.transfers[0].amount = Minor::new(-1)),
        ("transfer_amount_out_of_range", "transfers[0].amount", |f| {
            f.transfers[0].amount = Minor::new(100_000_000_000);
        }),
        ("transfer_end_to_end_id_twice", "transfers[2].end_to_end_id", |f| {
            f.transfers[2].end_to_end_id = f.transfers[0].end_to_end_id.clone();
        }),
        ("transfer_text_too_long", "transfers[0].end_to_end_id", |f| f.transfers[0].end_to_end_id = "A".repeat(36)),
        ("transfer_text_too_long", "message_id", |f| f.message_id = "A".repeat(36)),
        ("transfer_text_too_long", "debtor.name", |f| f.debtor.name = "A".repeat(71)),
        ("transfer_text_too_long", "transfers[0].remittance", |f| f.transfers[0].remittance = Some("A".repeat(141))),
        ("transfer_text_too_long", "debtor.address.building", |f| f.debtor.address.building = Some("1".repeat(17))),
        ("transfer_text_blank", "transfers[0].end_to_end_id", |f| f.transfers[0].end_to_end_id.clear()),
        ("transfer_text_blank", "transfers[0].creditor.name", |f| f.transfers[0].creditor.name.clear()),
        ("transfer_text_blank", "transfers[0].creditor.address.town", |f| f.transfers[0].creditor.address.town.clear()),
        ("transfer_text_blank", "transfers[0].remittance", |f| f.transfers[0].remittance = Some(" x".into())),
        ("transfer_text_character", "transfers[0].creditor.name", |f| f.transfers[0].creditor.name = "Zoë".into()),
        ("transfer_text_character", "transfers[0].remittance", |f| f.transfers[0].remittance = Some("a & b".into())),
        ("transfer_text_character", "initiator_name", |f| f.initiator_name = "a\u{0}b".into()),
        ("transfer_identifier_invalid", "payment_id", |f| f.payment_id = "/A".into()),
        ("transfer_identifier_invalid", "message_id", |f| f.message_id = "A//B".into()),
        ("transfer_identifier_invalid", "transfers[0].instruction_id", |f| {
            f.transfers[0].instruction_id = Some("A/".into());
        }),
        ("transfer_identifier_invalid", "transfers[0].end_to_end_id", |f| {
            f.transfers[0].end_to_end_id = "NOTPROVIDED".into();
        }),
        ("transfer_country_invalid", "debtor.address.country", |f| f.debtor.address.country = "be".into()),
        ("transfer_bic_invalid", "debtor.bic", |f| f.debtor.bic = Some("KREDBE".into())),
        ("transfer_bic_invalid", "debtor.bic", |f| f.debtor.bic = Some("KREDB3BB".into())),
    ];
    for (code, field, break_it) in cases {
        let mut file = file();
        break_it(&mut file);
        let refused = write(&file).unwrap_err();
        assert_eq!(refused.code(), code, "{field}");
        assert!(refused.to_string().starts_with(field), "{refused} does not name {field}");
    }
}

#[test]
fn the_largest_amount_is_written() {
    let mut file = file();
    file.transfers[0].amount = AMOUNT_MAX;
    assert!(String::from_utf8(write(&file).unwrap()).unwrap().contains(">999999999.99<"));
}

proptest! {
    #[test]
    fn any_name_written_in_the_sepa_set_gives_the_same_elements(name in ".{0,90}", remittance in ".{0,200}") {
        let name = to_sepa(&name, 70).text;
        let remittance = to_sepa(&remittance, 140).text;
        prop_assume!(!name.is_empty() && !remittance.is_empty());
        let mut file = file();
        let tags = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().matches('<').count();
        let expected = tags(write(&file).unwrap());
        file.transfers[0].creditor.name = name;
        file.transfers[0].remittance = Some(remittance);
        prop_assert_eq!(tags(write(&file).unwrap()), expected);
    }

    #[test]
    fn the_control_sum_is_the_sum_to_the_cent(amounts in proptest::collection::vec(1_i64..=99_999_999_999, 1..60)) {
        let mut file = file();
        let payee = file.transfers[0].creditor.clone();
        file.transfers = (1_u32..).zip(&amounts).map(|(n, amount)| transfer(n, *amount, payee.clone())).collect();
        let sum: i64 = amounts.iter().sum();
        let text = String::from_utf8(write(&file).unwrap()).unwrap();
        let expected = format!("<CtrlSum>{}.{:02}</CtrlSum>", sum / 100, sum % 100);
        prop_assert!(text.contains(&expected));
    }
}

/// A Belgian IBAN with right check digits, the `n`-th of an invented bank.
fn numbered_iban(n: u64) -> String {
    let account = 5_390_000_000 + n;
    let bban = account * 100 + if account.is_multiple_of(97) { 97 } else { account % 97 };
    // `BE00` behind the rest, letters as numbers (ISO 13616).
    let check = 98 - (bban * 1_000_000 + 111_400) % 97;
    format!("BE{check:02}{bban:012}")
}

/// Written to `UMBEL_SAMPLES/pain001` where that is set, for `tests/conformance/run DIR pain001` to judge.
#[test]
fn files_of_one_of_two_hundred_and_of_ten_thousand_transfers_say_what_they_hold() {
    for size in [1_u32, 200, 10_000] {
        let one = |n: u32| {
            let name = format!("Łukasz Øster-Ñuñez {n}");
            transfer(n, i64::from(n) * 7 + 1, party(&name, &numbered_iban(n.into()), "Bruxelles", "BE"))
        };
        let file = CreditTransferFile { transfers: (1..=size).map(one).collect(), ..file() };
        let bytes = write(&file).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let cents = i64::from(size) * (i64::from(size) + 1) / 2 * 7 + i64::from(size);
        let sum = format!("<CtrlSum>{}</CtrlSum>", to_plain(Minor::new(cents), 2));
        assert_eq!(text.matches(&sum).count(), 2, "{size}: of the file and of its block");
        assert_eq!(text.matches(&format!("<NbOfTxs>{size}</NbOfTxs>")).count(), 2);
        assert_eq!(text.matches("<EndToEndId>").count(), usize::try_from(size).unwrap());
        if let Ok(folder) = std::env::var("UMBEL_SAMPLES") {
            std::fs::create_dir_all(format!("{folder}/pain001")).unwrap();
            std::fs::write(format!("{folder}/pain001/payouts-{size:05}.xml"), bytes).unwrap();
        }
    }
}
