use super::*;
use crate::formats::safe_xml;
use proptest::prelude::*;

const ACCOUNT: &str = "BE62510007547061";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A record: texts put where the standard's table has them, positions from 1.
fn record(fields: &[(usize, &str)]) -> String {
    let mut characters = vec![' '; 128];
    for (position, text) in fields {
        for (index, c) in text.chars().enumerate() {
            characters[position - 1 + index] = c;
        }
    }
    characters.into_iter().collect()
}

fn header() -> String {
    record(&[(1, "00000"), (6, "130326"), (12, "510"), (15, "05"), (35, "OMBELLE SC"), (61, "GEBABEBB"), (128, "2")])
}

fn old_balance(cents: i64) -> String {
    let (sign, amount) = signed(cents);
    let account = format!("{ACCOUNT:<34}EUR");
    record(&[(1, "12055"), (6, &account), (43, &sign), (44, &amount), (59, "120326"), (65, "OMBELLE SC"), (126, "055")])
}

fn new_balance(cents: i64) -> String {
    let (sign, amount) = signed(cents);
    let account = format!("{ACCOUNT:<34}EUR");
    record(&[(1, "8055"), (5, &account), (42, &sign), (43, &amount), (58, "130326"), (128, "0")])
}

fn signed(cents: i64) -> (String, String) {
    (if cents < 0 { "1" } else { "0" }.to_owned(), format!("{:015}", cents.abs() * 10))
}

/// A movement of three records: `code` is the transaction code, `said` the communication with its type before it.
fn movement(
    sequence: usize,
    detail: usize,
    cents: i64,
    code: &str,
    said: &str,
    other: (&str, &str, &str),
) -> Vec<String> {
    let (sign, amount) = signed(cents);
    let (number, detail) = (format!("{sequence:04}"), format!("{detail:04}"));
    let all: Vec<char> = said.chars().collect();
    let part = |from: usize, to: usize| all[from.min(all.len())..to.min(all.len())].iter().collect::<String>();
    let (end_to_end, iban, name) = other;
    let first = part(0, 54);
    vec![
        record(&[
            (1, "21"),
            (3, &number),
            (7, &detail),
            (11, "BANKREF0000000000001X"),
            (32, &sign),
            (33, &amount),
            (48, "140326"),
            (54, code),
            (62, &first),
            (116, "130326"),
            (122, "055"),
            (125, "0"),
            (126, "1"),
            (128, "0"),
        ]),
        record(&[
            (1, "22"),
            (3, &number),
            (7, &detail),
            (11, &part(54, 107)),
            (64, end_to_end),
            (99, "KREDBEBB"),
            (126, "1"),
            (128, "0"),
        ]),
        record(&[
            (1, "23"),
            (3, &number),
            (7, &detail),
            (11, iban),
            (48, name),
            (83, &part(107, 150)),
            (126, "0"),
            (128, "0"),
        ]),
    ]
}

/// A file around the records of movements.
fn file(opening: i64, movements: &[String], closing: i64) -> String {
    let mut records = vec![header(), old_balance(opening)];
    records.extend_from_slice(movements);
    records.push(new_balance(closing));
    let counted = format!("{:06}", records.len() - 1);
    records.push(record(&[(1, "4"), (33, "NOTHING TO PAY FOR THIS ACCOUNT")]));
    records.push(record(&[(1, "9"), (17, &counted), (128, "2")]));
    records.join("\r\n") + "\r\n\u{1A}"
}

fn read_text(text: &str) -> Result<Vec<Statement>, Refused> {
    read(text.as_bytes(), Limits::default())
}

fn only(text: &str) -> Statement {
    let mut all = read_text(text).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn a_statement_says_who_paid_what_with_which_reference() {
    let paid = movement(1, 0, 121_000, "00150000", "1101123456789002", ("", "BE30001216371411", "ATELIER NOORD"));
    let payout = movement(2, 0, -92_500, "00101000", "0", ("NOTPROVIDED", "BE68539007547034", "AMINA DIALLO"));
    let sent =
        movement(3, 0, -12_345, "00101000", "0Payout of March", ("UMB0001X", "BE68539007547034EUR", "AMINA DIALLO"));
    let statement = only(&file(500_000, &[paid, payout, sent].concat(), 516_155));
    assert_eq!((statement.id.as_str(), statement.sequence), ("2026-03-13/055", Some(55)));
    assert_eq!((statement.account.as_str(), statement.currency), (ACCOUNT, Currency::EUR));
    assert_eq!(statement.opening, Some(Balance { amount: Minor::new(500_000), on: day("2026-03-12") }));
    assert_eq!(statement.closing, Some(Balance { amount: Minor::new(516_155), on: day("2026-03-13") }));
    let [paid, payout, sent] = statement.lines.as_slice() else { panic!("{:?}", statement.lines) };
    assert_eq!(
        (paid.amount.get(), paid.booked_on, paid.valued_on),
        (121_000, day("2026-03-13"), Some(day("2026-03-14")))
    );
    assert_eq!(paid.creditor_reference.as_deref(), Some("123456789002"));
    assert_eq!((paid.remittance.as_deref(), paid.end_to_end_id.as_deref()), (None, None));
    assert_eq!(paid.counterparty_iban.as_deref(), Some("BE30001216371411"));
    assert_eq!(paid.counterparty_name.as_deref(), Some("ATELIER NOORD"));
    assert_eq!(paid.bank_reference.as_deref(), Some("BANKREF0000000000001X"));
    assert_eq!((payout.amount.get(), payout.end_to_end_id.as_deref()), (-92_500, None));
    assert_eq!(
        (sent.end_to_end_id.as_deref(), sent.remittance.as_deref()),
        (Some("UMB0001X"), Some("Payout of March"))
    );
    assert_eq!((payout.entry, sent.entry), (2, 3));
}

#[test]
fn a_long_text_goes_on_through_all_three_records_and_information_stands_in_where_there_is_none() {
    let words = format!("0{}", "Invoice 2026-0001 and what was agreed about it on the telephone ".repeat(3));
    let mut movements = movement(1, 0, 100, "00150000", &words[..140], ("", "", ""));
    movements.extend(movement(2, 0, 200, "00150000", "0", ("", "", "")));
    movements.push(record(&[
        (1, "31"),
        (3, "0002"),
        (7, "0001"),
        (11, "BANKREF0000000000001X"),
        (40, "1001ATELIER ZUID"),
        (126, "1"),
    ]));
    movements.push(record(&[(1, "32"), (3, "0002"), (7, "0001"), (11, "Kerkstraat 1"), (126, "1")]));
    movements.push(record(&[(1, "33"), (3, "0002"), (7, "0001"), (11, "9000 Gent"), (126, "1")]));
    let information =
        |kind: &str, said: &str, at: usize| record(&[(1, kind), (3, "0002"), (7, "0002"), (at, said), (126, "1")]);
    // What is told goes on in the middle of a word where a record is full.
    let full = format!("0{:<68}2026-", "Instant payment. Communication:");
    movements.push(information("31", &full, 40));
    movements.push(information("32", "0001", 11));
    movements.push(information("31", "1009ATELIER OOST", 40));
    let statement = only(&file(0, &movements, 300));
    assert_eq!(
        statement.lines[0].remittance.as_deref(),
        Some(words[1..140].split_whitespace().collect::<Vec<_>>().join(" ").as_str())
    );
    assert_eq!(statement.lines[1].counterparty_name.as_deref(), Some("ATELIER ZUID"));
    assert_eq!(
        statement.lines[1].remittance.as_deref(),
        Some("Instant payment. Communication: 2026-0001 ATELIER OOST"),
        "without the address of who paid"
    );
}

#[test]
fn a_word_for_no_reference_is_none() {
    for word in ["NOTPROVIDED", "NOT PROVIDED", "NONREF"] {
        let statement = only(&file(0, &movement(1, 0, 100, "00150000", "0Rent", (word, "", "")), 100));
        assert_eq!(statement.lines[0].end_to_end_id, None, "{word}");
    }
}

#[test]
fn the_parts_of_a_file_may_have_the_code_of_single_transfers() {
    let part = |detail, cents| movement(1, detail, cents, "00107000", "0", ("", "BE30001216371411", "A"));
    let all = [movement(1, 0, -350, "10107000", "0", ("", "", "")), part(1, -100), part(2, -250)].concat();
    let amounts = |statement: Statement| statement.lines.iter().map(|it| it.amount.get()).collect::<Vec<_>>();
    assert_eq!(amounts(only(&file(400, &all, 50))), [-100, -250]);
}

#[test]
fn a_total_is_its_parts_when_they_come_to_it_and_one_line_when_they_do_not() {
    let total = |cents| movement(1, 0, cents, "10150000", "0", ("", "", ""));
    let part = |detail, cents, name| movement(1, detail, cents, "50150000", "0", ("", "BE30001216371411", name));
    let explains = movement(1, 3, 999, "90150000", "0", ("", "", ""));
    let other = movement(2, 0, 5, "00150000", "0", ("", "", ""));
    let lines = |total: Vec<String>, sum| {
        only(&file(0, &[total, part(1, 100, "A"), part(2, 250, "B"), explains.clone(), other.clone()].concat(), sum))
            .lines
    };
    let split = lines(total(350), 355);
    assert_eq!(split.iter().map(|it| (it.entry, it.amount.get())).collect::<Vec<_>>(), [(1, 100), (1, 250), (2, 5)]);
    assert_eq!(split[1].counterparty_name.as_deref(), Some("B"));
    let whole = lines(total(351), 356);
    assert_eq!(whole.iter().map(|it| it.amount.get()).collect::<Vec<_>>(), [351, 5]);
    // Charges: one booked amount, told in parts.
    let charged = movement(1, 0, 95, "30150000", "0", ("", "", ""));
    let gross = movement(1, 1, 100, "80150000", "0Fee taken", ("E2E", "BE30001216371411", "A"));
    let fee = movement(1, 2, -5, "80137000", "0", ("", "", ""));
    let statement = only(&file(0, &[charged, gross, fee].concat(), 95));
    assert_eq!(statement.lines.len(), 1);
    assert_eq!((statement.lines[0].amount.get(), statement.lines[0].counterparty_name.as_deref()), (95, Some("A")));
    assert_eq!(statement.lines[0].remittance.as_deref(), Some("Fee taken"));
}

#[test]
fn what_came_back_says_why() {
    let mut returned = movement(1, 0, 92_500, "00150000", "0", ("UMB0001X", "BE68539007547034", "AMINA DIALLO"));
    let mut characters: Vec<char> = returned[1].chars().collect();
    characters[112] = '2';
    characters.splice(113..117, "AC04".chars());
    returned[1] = characters.into_iter().collect();
    let line = &only(&file(0, &returned, 92_500)).lines[0];
    assert!(line.is_reversal);
    assert_eq!((line.return_reason.as_deref(), line.end_to_end_id.as_deref()), (Some("AC04"), Some("UMB0001X")));
}

#[test]
fn accounts_are_written_in_four_ways() {
    let read_account = |structure: &str, account: &str| {
        let text = file(0, &[], 0);
        let old = text.lines().nth(1).unwrap().to_owned();
        let new = record(&[
            (1, "1"),
            (2, structure),
            (3, "055"),
            (6, account),
            (43, "0"),
            (44, &"0".repeat(15)),
            (59, "120326"),
            (126, "055"),
        ]);
        only(&text.replace(&old, &new)).account
    };
    assert_eq!(read_account("0", "510007547061 EUR0BE"), ACCOUNT);
    assert_eq!(read_account("2", &format!("{ACCOUNT:<34}EUR")), ACCOUNT);
    assert_eq!(read_account("3", &format!("{:<34}EUR", "NL91ABNA0417164300")), "NL91ABNA0417164300");
    assert_eq!(read_account("1", &format!("{:<34}EUR", "0417164300")), "0417164300");
}

#[test]
fn latin_letters_and_lines_cut_of_their_blanks_are_read() {
    let text = file(0, &movement(1, 0, 255, "00150000", "0Théâtre d'Hélène", ("", "", "Dümüß")), 255);
    let cut: String = text.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    assert_eq!(only(&cut).lines[0].remittance.as_deref(), Some("Théâtre d'Hélène"));
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let statements = read(&latin, Limits::default()).unwrap();
    assert_eq!(statements[0].lines[0].counterparty_name.as_deref(), Some("Dümüß"));
}

#[test]
fn what_is_broken_is_refused_by_name() {
    let whole = file(1_000, &movement(1, 0, 250, "00150000", "0", ("", "", "")), 1_250);
    let lines: Vec<&str> = whole.lines().collect();
    let but = |index: usize, position: usize, text: &str| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let mut characters: Vec<char> = lines[index].chars().collect();
        let end = (position - 1 + text.chars().count()).min(characters.len());
        characters.splice(position - 1..end, text.chars());
        lines[index] = characters.into_iter().collect();
        lines.join("\n")
    };
    let without = |index: usize| {
        let kept: Vec<&str> = lines.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, line)| *line).collect();
        kept.join("\n")
    };
    let code = |text: &str| read_text(text).map(drop).map_err(|refused| refused.code());
    assert_eq!(code(&whole), Ok(()));
    let cases = [
        ("another version", but(0, 128, "1"), "statement_record_invalid"),
        ("an unknown structure", but(1, 2, "7"), "statement_record_invalid"),
        ("no account", but(1, 6, &" ".repeat(31)), "statement_record_invalid"),
        ("no currency", but(1, 40, "???"), "statement_record_invalid"),
        ("no sign", but(2, 32, "2"), "statement_direction_invalid"),
        ("letters in an amount", but(2, 33, "00000000000O250"), "statement_amount_invalid"),
        ("a part of a cent", but(2, 33, "000000000002505"), "statement_amount_invalid"),
        ("no day", but(2, 116, "310226"), "statement_date_invalid"),
        ("no day at all", but(1, 59, "000000"), "statement_field_missing"),
        ("an altered amount", but(2, 33, "000000000002600"), "statement_does_not_balance"),
        ("an unknown record", but(2, 1, "7"), "statement_record_invalid"),
        ("an unknown article", but(2, 2, "9"), "statement_record_invalid"),
        ("a record of another movement", but(3, 3, "0009"), "statement_record_invalid"),
        ("a part of nothing", but(2, 7, "0001"), "statement_record_invalid"),
        ("a lost record", without(4), "statement_incomplete"),
        ("a lost movement", without(2), "statement_record_invalid"),
        ("no balance at the end", without(5), "statement_incomplete"),
        ("no trailer", without(7), "statement_incomplete"),
        ("a record that is too long", but(2, 128, "0 more"), "statement_record_invalid"),
        ("no statement", [lines[0], lines[7]].join("\n"), "statement_incomplete"),
        ("only a header", lines[0].to_owned(), "statement_missing"),
    ];
    for (what, text, expected) in cases {
        assert_eq!(code(&text), Err(expected), "{what}");
    }
    let few = Limits { elements_max: 3, ..Limits::default() };
    assert_eq!(read(whole.as_bytes(), few), Err(safe_xml::Refused::TooManyElements { elements_max: 3 }.into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_amounts_come_out_as_they_went_in(cents in proptest::collection::vec(-9_999_999_i64..9_999_999, 0..40), opening in -1_000_000_i64..1_000_000) {
        let movements: Vec<String> = cents.iter().enumerate().flat_map(|(n, cents)| movement(n + 1, 0, *cents, "00150000", "0x", ("", "", ""))).collect();
        let closing = opening + cents.iter().sum::<i64>();
        let statement = only(&file(opening, &movements, closing));
        prop_assert_eq!(statement.lines.iter().map(|line| line.amount.get()).collect::<Vec<_>>(), cents);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), at in 0_usize..1_200) {
        let mut text = file(0, &movement(1, 0, 250, "00150000", "0x", ("", "", "")), 250).into_bytes();
        let at = at.min(text.len());
        let end = (at + bytes.len()).min(text.len());
        text.splice(at..end, bytes);
        let _either = read(&text, Limits::default());
    }
}
