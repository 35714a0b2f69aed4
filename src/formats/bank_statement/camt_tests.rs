use super::*;
use crate::formats::golden::assert_golden;
use crate::formats::safe_xml;
use proptest::prelude::*;

const ACCOUNT: &str = "BE62510007547061";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "reads as the fact it stands for")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn line(entry: usize, amount: i64) -> Line {
    Line {
        entry,
        entry_reference: None,
        amount: Minor::new(amount),
        booked_on: day("2026-03-13"),
        valued_on: Some(day("2026-03-13")),
        bank_reference: some(&format!("BANK-{entry}")),
        bank_code: Some(BankCode { domain: "PMNT".into(), family: "RCDT".into(), sub_family: "ESCT".into() }),
        is_reversal: false,
        payment_id: None,
        end_to_end_id: None,
        creditor_reference: None,
        remittance: None,
        counterparty_name: None,
        counterparty_iban: None,
        return_reason: None,
    }
}

/// A client pays by structured reference, a batch of two payouts leaves, one comes back, the bank takes its charge.
fn sample() -> Statement {
    let client = Line {
        creditor_reference: some("123456789002"),
        counterparty_name: some("Client & Zonen \"NV\""),
        counterparty_iban: some("NL91ABNA0417164300"),
        end_to_end_id: some("THEIR-REF-1"),
        ..line(1, 121_000)
    };
    let payout = |n: u32, amount| Line {
        end_to_end_id: Some(format!("PAYOUT-2026-{n:06}")),
        payment_id: some("UMBEL-BATCH-2026-0007-1"),
        counterparty_name: some("Ada Peeters"),
        counterparty_iban: some("BE71096123456769"),
        remittance: some("Payout 2026"),
        ..line(2, amount)
    };
    let returned = Line { is_reversal: true, return_reason: some("AC04"), entry: 3, ..payout(2, 123_405) };
    let charge = Line { bank_code: None, bank_reference: None, remittance: some("Monthly charge"), ..line(4, -250) };
    Statement {
        kind: Kind::Statement,
        id: "2026-03-13-062".into(),
        sequence: Some(62),
        account: ACCOUNT.into(),
        currency: Currency::EUR,
        from_on: Some(day("2026-03-13")),
        to_on: Some(day("2026-03-13")),
        opening: Some(Balance { amount: Minor::new(500_000), on: day("2026-03-12") }),
        closing: Some(Balance { amount: Minor::new(528_250), on: day("2026-03-13") }),
        line_count: 5,
        sum: Minor::new(28_250),
        lines: vec![client, payout(1, -92_500), payout(2, -123_405), returned, charge],
        unbooked_count: 0,
    }
}

fn written(statements: &[Statement]) -> Vec<u8> {
    write("MSG-1", "2026-03-13T18:00:00Z".parse().unwrap(), statements).unwrap()
}

fn read_text(text: &str) -> Result<Vec<Statement>, Refused> {
    read_back(text.as_bytes())
}

/// As [`read`], without the reference of the whole entry, which nobody writes.
fn read_back(bytes: &[u8]) -> Result<Vec<Statement>, Refused> {
    let mut statements = read(bytes, Limits::default())?;
    for line in statements.iter_mut().flat_map(|statement| &mut statement.lines) {
        line.entry_reference = None;
    }
    Ok(statements)
}

fn sample_text() -> String {
    String::from_utf8(written(&[sample()])).unwrap()
}

/// A statement around `entries` in the words of an old version, with a prefix.
fn old_version(entries: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<!-- made by a bank --><c:Document xmlns:c="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<c:BkToCstmrStmt><c:GrpHdr><c:MsgId>1</c:MsgId></c:GrpHdr><c:Stmt><c:Id>S1</c:Id><c:LglSeqNb>7</c:LglSeqNb>
<c:Acct><c:Id><c:IBAN>be62 5100 0754 7061</c:IBAN></c:Id><c:Ccy>EUR</c:Ccy></c:Acct>
<c:Bal><c:Tp><c:CdOrPrtry><c:Cd>PRCD</c:Cd></c:CdOrPrtry></c:Tp><c:Amt Ccy="EUR">10.00</c:Amt><c:CdtDbtInd>DBIT</c:CdtDbtInd><c:Dt><c:DtTm>2026-03-12T23:59:59+01:00</c:DtTm></c:Dt></c:Bal>
{entries}
</c:Stmt></c:BkToCstmrStmt></c:Document>"#
    )
}

#[test]
fn the_sample_statement_is_the_golden_one_and_is_read_back_as_it_was() {
    assert_golden("camt053/statement.xml", &written(&[sample()]));
    assert_eq!(read_back(&written(&[sample(), sample()])), Ok(vec![sample(), sample()]));
}

#[test]
fn an_old_version_with_prefixes_old_balances_and_parties_without_a_wrapper_is_read() {
    let statement = read_text(&old_version(
        r#"<c:Ntry><c:NtryRef>N1</c:NtryRef><c:Amt Ccy="EUR">100.5</c:Amt><c:CdtDbtInd>CRDT</c:CdtDbtInd><c:Sts>BOOK</c:Sts>
<c:ValDt><c:Dt>2026-03-14</c:Dt></c:ValDt><c:BkTxCd><c:Domn><c:Cd>PMNT</c:Cd><c:Fmly><c:Cd>RCDT</c:Cd></c:Fmly></c:Domn></c:BkTxCd>
<c:NtryDtls><c:TxDtls><c:Refs><c:EndToEndId>NOTPROVIDED</c:EndToEndId></c:Refs>
<c:RltdPties><c:Dbtr><c:Nm> Jos&#233;  <![CDATA[& Co]]> </c:Nm></c:Dbtr><c:DbtrAcct><c:Id><c:IBAN>NL91 ABNA 0417 1643 00</c:IBAN></c:Id></c:DbtrAcct></c:RltdPties>
<c:RmtInf><c:Ustrd>first &amp;</c:Ustrd><c:Ustrd>second</c:Ustrd><c:Strd><c:CdtrRefInf><c:Ref>123456789002</c:Ref></c:CdtrRefInf></c:Strd><c:Strd><c:CdtrRefInf><c:Ref>000000009797</c:Ref></c:CdtrRefInf></c:Strd></c:RmtInf></c:TxDtls></c:NtryDtls></c:Ntry>
<c:Ntry><c:Amt Ccy="EUR">3.000</c:Amt><c:CdtDbtInd>DBIT</c:CdtDbtInd><c:Sts>PDNG</c:Sts></c:Ntry>"#,
    ))
    .unwrap()
    .remove(0);
    assert_eq!((statement.account.as_str(), statement.sequence, statement.unbooked_count), (ACCOUNT, Some(7), 1));
    assert_eq!(statement.opening, Some(Balance { amount: Minor::new(-1_000), on: day("2026-03-12") }));
    // The closing balance that the bank left out follows from the lines.
    assert_eq!(statement.closing, Some(Balance { amount: Minor::new(9_050), on: day("2026-03-12") }));
    let expected = Line {
        booked_on: day("2026-03-14"),
        valued_on: Some(day("2026-03-14")),
        bank_reference: some("N1"),
        bank_code: Some(BankCode { domain: "PMNT".into(), family: "RCDT".into(), sub_family: String::new() }),
        creditor_reference: some("123456789002"),
        remittance: some("first & second 000000009797"),
        counterparty_name: some("José & Co"),
        counterparty_iban: some("NL91ABNA0417164300"),
        ..line(1, 10_050)
    };
    assert_eq!(statement.lines, [expected]);
}

#[test]
fn a_returned_payout_names_the_payee_whichever_way_the_bank_turns_the_parties() {
    let party = |role: &str, name: &str, iban: &str| {
        format!("<{role}><Nm>{name}</Nm></{role}><{role}Acct><Id><IBAN>{iban}</IBAN></Id></{role}Acct>")
    };
    for (debtor, creditor) in [
        (party("Dbtr", "Ombelle", ACCOUNT), party("Cdtr", "Ada", "BE71096123456769")),
        (party("Dbtr", "Ada", "BE71096123456769"), party("Cdtr", "Ombelle", ACCOUNT)),
        (party("Dbtr", "Ada", "BE71096123456769"), String::new()),
        (String::new(), party("Cdtr", "Ada", "BE71096123456769")),
    ] {
        let entry = format!(
            "<Ntry><Amt Ccy='EUR'>925.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><BookgDt><Dt>2026-03-14</Dt></BookgDt><NtryDtls><TxDtls>\
             <RltdPties>{debtor}{creditor}</RltdPties><RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf></TxDtls></NtryDtls></Ntry>"
        );
        let statement = read_text(&old_version(&entry)).unwrap().remove(0);
        let line = &statement.lines[0];
        assert_eq!(line.counterparty_name.as_deref(), Some("Ada"));
        assert_eq!(line.counterparty_iban.as_deref(), Some("BE71096123456769"));
        assert_eq!(line.return_reason.as_deref(), Some("AC04"));
        assert_eq!(line.amount, Minor::new(92_500));
    }
}

#[test]
fn a_batch_becomes_one_line_per_transaction_where_they_come_to_its_entry() {
    let batch = |first: &str, second: &str| {
        let detail = |amount: &str| match amount {
            "" => "<TxDtls/>".to_owned(),
            _ => format!("<TxDtls><AmtDtls><TxAmt><Amt Ccy='EUR'>{amount}</Amt></TxAmt></AmtDtls></TxDtls>"),
        };
        old_version(&format!(
            "<Ntry><Amt Ccy='EUR'>30.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><BookgDt><Dt>2026-03-14</Dt></BookgDt>\
             <NtryDtls><Btch><PmtInfId>B1</PmtInfId></Btch>{}{}</NtryDtls></Ntry>",
            detail(first),
            detail(second)
        ))
    };
    let amounts =
        |text: &str| -> Vec<i64> { read_text(text).unwrap()[0].lines.iter().map(|line| line.amount.get()).collect() };
    assert_eq!(amounts(&batch("10.00", "20.00")), [-1_000, -2_000]);
    assert_eq!(amounts(&batch("", "")), [-3_000]);
    assert_eq!(read_text(&batch("", "")).unwrap()[0].lines[0].payment_id.as_deref(), Some("B1"));
    // What was booked is certain: a batch that its parts do not explain stays one line.
    assert_eq!(amounts(&batch("10.00", "20.01")), [-3_000]);
    assert_eq!(amounts(&batch("10.00", "")), [-3_000]);
}

#[test]
fn a_statement_that_does_not_balance_is_refused_with_its_figures() {
    let mut statement = sample();
    statement.lines.pop();
    let refused = read(&written(&[statement]), Limits::default()).unwrap_err();
    assert_eq!(refused.code(), "statement_does_not_balance");
    assert_eq!(refused.to_string(), "Stmt[1]: opening 5000.00 EUR plus entries 285.00 EUR is not closing 5282.50 EUR");
}

#[test]
fn what_is_not_a_statement_is_refused_by_name() {
    let good = sample_text();
    let put = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} is not in the sample");
        good.replacen(from, to, 1)
    };
    let nested = format!("<Document><BkToCstmrStmt>{}{}", "<a>".repeat(40), "</a>".repeat(40));
    let attributes = (0..65).map(|n| format!("a{n}='1'")).collect::<Vec<_>>().join(" ");
    let bomb = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    let file = "<!DOCTYPE d SYSTEM \"file:///etc/passwd\">";
    let cases = [
        ("statement_doctype", put("<Document", &format!("{bomb}<Document"))),
        ("statement_doctype", put("<Document", &format!("{file}<Document"))),
        ("statement_entity", put("<MsgId>MSG-1", "<MsgId>&xxe;")),
        ("statement_too_deep", nested),
        ("statement_too_many_attributes", put("<MsgId>", &format!("<MsgId {attributes}>"))),
        ("statement_encoding", put("UTF-8", "UTF-16")),
        ("statement_not_camt", put("Document", "Envelope").replace("</Document>", "</Envelope>")),
        ("statement_not_camt", good.replace("BkToCstmrStmt", "CstmrCdtTrfInitn")),
        ("statement_missing", good.replace("BkToCstmrStmt", "BkToCstmrAcctRpt")),
        ("statement_not_camt", "<html><body/></html>".into()),
        ("statement_not_camt", "<Document/>".into()),
        ("statement_not_camt", format!("{good}<Document/>")),
        ("statement_missing", "<Document><BkToCstmrStmt/></Document>".into()),
        ("statement_amount_invalid", put("1210.00", "1.005")),
        ("statement_amount_invalid", put("1210.00", "-1210.00")),
        ("statement_amount_invalid", put("1210.00", "1,210.00")),
        ("statement_amount_invalid", put("1210.00", "1e3")),
        ("statement_amount_invalid", put("1210.00", "")),
        ("statement_amount_invalid", put("1210.00", ".")),
        ("statement_amount_invalid", put("1210.00", "١٢١٠.٠٠")),
        ("statement_amount_invalid", put("1210.00", "99999999999999999999.00")),
        ("statement_amount_invalid", put("1210.00", "90071992547409.92")),
        ("statement_field_missing", put("<Amt Ccy=\"EUR\">1210.00", "<Amt>1210.00")),
        ("statement_field_missing", put("<Amt Ccy=\"EUR\">1210.00", "<Amt Ccy=\"euro\">1210.00")),
        ("statement_field_missing", put("<Id>2026-03-13-062</Id>", "")),
        ("statement_field_missing", put("<IBAN>BE62510007547061</IBAN>", "")),
        ("statement_field_missing", good.replace("<CdtDbtInd>CRDT</CdtDbtInd>", "")),
        ("statement_direction_invalid", put("<CdtDbtInd>CRDT", "<CdtDbtInd>CREDIT")),
        ("statement_date_invalid", put("<Dt>2026-03-12</Dt>", "<Dt>2026-02-30</Dt>")),
        ("statement_date_invalid", put("<Dt>2026-03-12</Dt>", "<Dt>12/03/2026</Dt>")),
        ("statement_date_invalid", put("<Dt>2026-03-12</Dt>", "<Dt>２０２６-03-12</Dt>")),
        ("statement_currency_differs", put("<Amt Ccy=\"EUR\">1210.00", "<Amt Ccy=\"USD\">1210.00")),
        ("statement_does_not_balance", put("5282.50", "5282.51")),
        ("statement_does_not_balance", put("<CdtDbtInd>CRDT", "<CdtDbtInd>DBIT")),
        ("statement_does_not_balance", put("2159.05", "2159.06")),
        ("statement_not_xml", put("MSG-1", "MSG\u{1}1")),
        ("statement_not_xml", put("MSG-1", "MSG&#1;1")),
        ("statement_not_xml", put("MSG-1", "MSG & 1")),
        ("statement_not_xml", put("</MsgId>", "</Other>")),
        ("statement_not_xml", put("<MsgId>", "<MsgId a='1' a='2'>")),
        ("statement_not_xml", put("<MsgId>", "<MsgId a=1>")),
        ("statement_not_xml", format!("{good}text after")),
        ("statement_not_xml", String::new()),
        ("statement_not_xml", "date;amount\n2026-01-01;5".into()),
        ("statement_not_xml", "\u{0}\u{0}".into()),
    ];
    for (code, text) in cases {
        let refused = read_text(&text).expect_err(&text);
        assert_eq!(refused.code(), code, "{refused}");
    }
    let not_text = read(b"<Document>\xFF</Document>", Limits::default());
    assert!(matches!(not_text, Err(Refused::Xml(safe_xml::Refused::Encoding { .. }))), "{not_text:?}");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = written(&[sample()]);
    let whole = bytes.trim_ascii_end().len();
    for end in 0..whole {
        assert!(read(&bytes[..end], Limits::default()).is_err(), "cut at {end}");
    }
    assert!(read(&bytes[..whole], Limits::default()).is_ok());
}

#[test]
fn size_and_elements_are_bounded_before_they_cost_anything() {
    let limits = Limits { bytes_max: 100, ..Limits::default() };
    assert_eq!(read(&[b' '; 101], limits), Err(safe_xml::Refused::TooLarge { bytes: 101, bytes_max: 100 }.into()));
    let limits = Limits { elements_max: 10, ..Limits::default() };
    assert_eq!(
        read(&written(&[sample()]), limits),
        Err(safe_xml::Refused::TooManyElements { elements_max: 10 }.into())
    );
    assert_eq!(Limits::default().bytes_max, 20_971_520);
}

#[test]
fn a_currency_without_decimals_and_one_with_three_keep_their_digits() {
    for (code, text, units) in [("JPY", "1210", 1_210), ("KWD", "1.005", 1_005)] {
        let file = format!(
            "<Document><BkToCstmrStmt><Stmt><Id>1</Id><Acct><Id><Othr><Id>77-1</Id></Othr></Id></Acct><Ntry><Amt Ccy='{code}'>{text}</Amt>\
             <CdtDbtInd>CRDT</CdtDbtInd><BookgDt><Dt>2026-03-14</Dt></BookgDt></Ntry></Stmt></BkToCstmrStmt></Document>"
        );
        let statement = read_text(&file).unwrap().remove(0);
        assert_eq!((statement.lines[0].amount.get(), statement.account.as_str()), (units, "77-1"));
    }
}

#[test]
fn a_fingerprint_changes_with_each_fact_it_covers_and_with_no_other() {
    let base = sample().lines.remove(0);
    let changed: [fn(&mut Line); 8] = [
        |line| line.booked_on = day("2026-03-14"),
        |line| line.amount = Minor::new(121_001),
        |line| line.bank_reference = None,
        |line| line.bank_reference = some(""),
        |line| line.end_to_end_id = some("THEIR-REF-2"),
        |line| line.creditor_reference = None,
        |line| line.counterparty_iban = some("BE71096123456769"),
        |line| line.remittance = some("x"),
    ];
    let mut seen = std::collections::BTreeSet::from([fingerprint(&base)]);
    for change in changed {
        let mut line = base.clone();
        change(&mut line);
        assert!(seen.insert(fingerprint(&line)));
    }
    let same = Line { entry: 9, valued_on: None, counterparty_name: None, bank_code: None, ..base.clone() };
    assert_eq!(fingerprint(&same), fingerprint(&base));
    // Stored in databases: a change of the recipe would make every imported line new again.
    assert_eq!(fingerprint(&base), "c3767657b0736231795cb6446f171649b046125c19c15cebe0578d5dc2331a61");
}

prop_compose! {
    fn any_line()(
        // Text as it is after reading: single blanks, none at the ends.
        name in proptest::option::of("[a-zé<>&\"']{1,10}( [a-zß;%]{1,8})?"),
        text in proptest::option::of("[!-~]{1,20}( [!-~]{1,20}){0,3}"),
        reference in proptest::option::of("[0-9]{12}"),
        end_to_end in proptest::option::of("[A-Z0-9-]{1,35}"),
        bank_reference in proptest::option::of("[A-Z0-9/-]{1,35}"),
        payment in proptest::option::of("[A-Z0-9-]{1,35}"),
        iban in proptest::option::of(Just("NL91ABNA0417164300".to_owned())),
        reason in proptest::option::of("AC0[1-9]"),
        amount in -1_000_000_000_000_i64..1_000_000_000_000,
    ) -> Line {
        Line {
            bank_reference, payment_id: payment, end_to_end_id: end_to_end, creditor_reference: reference,
            remittance: text, counterparty_name: name, counterparty_iban: iban, return_reason: reason,
            ..line(1, amount)
        }
    }
}

prop_compose! {
    fn any_statement()(
        batches in proptest::collection::vec((proptest::collection::vec(any_line(), 1..4), any::<bool>(), proptest::option::of(0_u32..28)), 0..6),
        opening in proptest::option::of(-1_000_000_i64..1_000_000_000),
        sequence in proptest::option::of(0_u64..9_999),
        currency in prop_oneof![Just("EUR"), Just("JPY"), Just("KWD")],
    ) -> Statement {
        let mut lines = Vec::new();
        for (index, (batch, is_reversal, day)) in batches.into_iter().enumerate() {
            for line in batch {
                let valued_on = day.map(|day| NaiveDate::from_ymd_opt(2026, 3, day + 1).unwrap());
                lines.push(Line { entry: index + 1, is_reversal, valued_on, ..line });
            }
        }
        let sum = lines.iter().map(|line| line.amount.get()).sum::<i64>();
        let balance = |amount: i64| Balance { amount: Minor::new(amount), on: day("2026-03-13") };
        Statement {
            kind: Kind::Statement, line_count: lines.len(), sum: Minor::new(sum),
            id: "S-1".into(), sequence, account: ACCOUNT.into(), currency: currency.parse().unwrap(),
            from_on: None, to_on: Some(day("2026-03-31")),
            opening: opening.map(balance), closing: opening.map(|opening| balance(opening + sum)),
            lines, unbooked_count: 0,
        }
    }
}

proptest! {
    #[test]
    fn a_written_statement_is_read_back_as_it_was(statements in proptest::collection::vec(any_statement(), 1..3)) {
        prop_assert_eq!(read_back(&written(&statements)), Ok(statements));
    }

    #[test]
    fn random_bytes_are_refused_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(&bytes, Limits::default()).is_err());
    }

    #[test]
    fn markup_thrown_together_never_panics(text in "(<|>|/|&|;|=|'|\"|!|\\?|\\[|\\]|-|Document|BkToCstmrStmt|Stmt|Ntry|Amt|Ccy|EUR|xmlns|:|#|CDATA| |1|\u{e9}){0,80}") {
        let _any_answer = read_text(&text);
        let _any_answer = read_text(&format!("<Document><BkToCstmrStmt><Stmt>{text}</Stmt></BkToCstmrStmt></Document>"));
    }

    #[test]
    fn a_mutated_file_never_panics_and_what_is_accepted_still_balances(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..6),
    ) {
        let mut bytes = written(&[sample()]);
        for (index, byte, kind) in edits {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        if let Ok(statements) = read(&bytes, Limits::default()) {
            for statement in statements {
                if let (Some(opening), Some(closing)) = (statement.opening, statement.closing) {
                    let sum = statement.lines.iter().map(|line| line.amount.get()).sum::<i64>();
                    prop_assert_eq!(opening.amount.get() + sum, closing.amount.get());
                }
            }
        }
    }
}
