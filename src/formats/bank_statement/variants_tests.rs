//! What real banks send and the schema does not say, made up after their public descriptions: one case for each habit.

use super::*;

const IBAN: &str = "BE62510007547061";

fn balance(code: &str, cents: i64) -> String {
    let side = if cents < 0 { "DBIT" } else { "CRDT" };
    let (whole, rest) = (cents.abs() / 100, cents.abs() % 100);
    format!(
        "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{whole}.{rest:02}</Amt>\
         <CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>2026-03-13</Dt></Dt></Bal>"
    )
}

fn paid(amount: &str, inside: &str) -> String {
    format!(
        "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>\
         <BookgDt><Dt>2026-03-13</Dt></BookgDt><AcctSvcrRef>ENTRY-1</AcctSvcrRef>{inside}</Ntry>"
    )
}

fn statement(inside: &str) -> String {
    format!("<Stmt><Id>S1</Id><Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>{inside}</Stmt>")
}

fn file(inside: &str) -> String {
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr>\
         {inside}</BkToCstmrStmt></Document>"
    )
}

fn read_one(bytes: &[u8]) -> Statement {
    read(bytes, Limits::default()).unwrap().remove(0)
}

fn amounts(statement: &Statement) -> Vec<i64> {
    statement.lines.iter().map(|line| line.amount.get()).collect()
}

fn frame(statement: &Statement) -> (Option<i64>, Option<i64>) {
    (statement.opening.map(|it| it.amount.get()), statement.closing.map(|it| it.amount.get()))
}

const NAMED: &str = "<NtryDtls><TxDtls><RltdPties><Dbtr><Nm>Café Zürich</Nm></Dbtr></RltdPties></TxDtls></NtryDtls>";

#[test]
fn other_letters_than_utf_8_are_read_where_the_file_says_so() {
    let body = file(&statement(&(balance("OPBD", 0) + &paid("5.00", NAMED) + &balance("CLBD", 500))));
    let name = |bytes: &[u8]| read_one(bytes).lines[0].counterparty_name.clone().unwrap();
    for encoding in ["ISO-8859-1", "windows-1252", "iso-8859-15"] {
        let text = format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{body}");
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        assert_eq!(name(&bytes), "Café Zürich", "{encoding}");
    }
    let text = format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-16\"?>{body}");
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(name(&little), "Café Zürich");
    assert_eq!(name(format!("\u{feff}{body}").as_bytes()), "Café Zürich");
}

#[test]
fn a_document_in_an_envelope_of_the_channel_is_found() {
    let body = file(&statement(&(balance("OPBD", 0) + &paid("5.00", "") + &balance("CLBD", 500))));
    let wrapped =
        format!("<DataPDU><Revision>2</Revision><Body><AppHdr><From>X</From></AppHdr>{body}</Body></DataPDU>");
    assert_eq!(amounts(&read_one(wrapped.as_bytes())), [500]);
}

#[test]
fn the_pages_of_a_long_statement_follow_each_other_by_interim_balances() {
    let page = |n: u8, from: &str, to: &str, opening: i64, amount: &str, closing: i64| {
        let last = n == 3;
        let pages = format!("<StmtPgntn><PgNb>{n}</PgNb><LastPgInd>{last}</LastPgInd></StmtPgntn>");
        let inside = balance(from, opening) + &balance(to, closing) + &paid(amount, "");
        read_one(file(&statement(&(pages + &inside))).as_bytes())
    };
    let pages = [
        page(1, "OPBD", "ITBD", 0, "5.00", 500),
        page(2, "ITBD", "ITBD", 500, "7.00", 1_200),
        page(3, "ITBD", "CLBD", 1_200, "1.00", 1_300),
    ];
    assert_eq!(
        pages.each_ref().map(frame),
        [(Some(0), Some(500)), (Some(500), Some(1_200)), (Some(1_200), Some(1_300))]
    );
    assert_eq!(pages.each_ref().map(|page| page.id.as_str()), ["S1", "S1/2", "S1/3"]);
}

#[test]
fn a_balance_that_is_left_out_follows_from_the_other() {
    let only =
        |code: &str, cents: i64| read_one(file(&statement(&(balance(code, cents) + &paid("5.00", "")))).as_bytes());
    assert_eq!(frame(&only("CLBD", 2_000)), (Some(1_500), Some(2_000)));
    assert_eq!(frame(&only("OPBD", 2_000)), (Some(2_000), Some(2_500)));
    assert_eq!(frame(&only("CLAV", 2_000)), (None, None), "an available balance is no booked one");
}

#[test]
fn a_batch_whose_parts_are_net_of_charges_or_in_another_currency_stays_what_was_booked() {
    let part = |currency: &str, amount: &str| {
        format!("<TxDtls><Amt Ccy=\"{currency}\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd></TxDtls>")
    };
    for parts in [
        part("EUR", "10.00") + &part("EUR", "20.00"),
        part("USD", "10.00") + &part("USD", "21.00"),
        part("EUR", "10.00") + &part("CHF", "19.50"),
        part("EUR", "10.00") + "<TxDtls/>",
    ] {
        let entry = paid("29.50", &format!("<NtryDtls>{parts}</NtryDtls>"));
        let read = read_one(file(&statement(&(balance("OPBD", 0) + &entry + &balance("CLBD", 2_950)))).as_bytes());
        assert_eq!(amounts(&read), [2_950], "{parts}");
        assert_eq!(read.lines[0].entry_reference.as_deref(), Some("ENTRY-1"));
    }
    let inside = |place: &str| {
        let part =
            |amount| format!("<TxDtls><AmtDtls><{place}><Amt Ccy=\"EUR\">{amount}</Amt></{place}></AmtDtls></TxDtls>");
        part("10.00") + &part("20.00")
    };
    for parts in [part("EUR", "10.00") + &part("EUR", "20.00"), inside("TxAmt"), inside("InstdAmt")] {
        let entry = paid("30.00", &format!("<NtryDtls>{parts}</NtryDtls>"));
        let read = read_one(file(&statement(&(balance("OPBD", 0) + &entry + &balance("CLBD", 3_000)))).as_bytes());
        assert_eq!(amounts(&read), [1_000, 2_000], "{parts}");
    }
}

#[test]
fn what_the_schema_forbids_and_banks_do_is_read() {
    // Elements in another order, without a status, with their own elements between; one decimal, blanks and small letters.
    let odd = format!(
        "<Stmt><Ntry><BookgDt><DtTm>2026-03-13T09:00:00.000+01:00</DtTm></BookgDt><CdtDbtInd>CRDT</CdtDbtInd><Bank:Own xmlns:Bank=\"x\">1</Bank:Own>\
         <Amt Ccy=\"EUR\"> 5.5 </Amt></Ntry>{}<Acct><Id><IBAN>be62 5100 0754 7061</IBAN></Id></Acct><Id> S 1 </Id>{}</Stmt>",
        balance("CLBD", 550),
        balance("OPBD", 0)
    );
    // The account comes after the lines here: nobody can say whose they are while they are read.
    assert_eq!(read(file(&odd).as_bytes(), Limits::default()).unwrap_err().code(), "statement_field_missing");
    let account = "<Acct><Id><IBAN>be62 5100 0754 7061</IBAN></Id></Acct>";
    let odd = odd.replace(account, "").replacen("<Stmt>", &format!("<Stmt>{account}"), 1);
    let read = read_one(file(&odd).as_bytes());
    assert_eq!((amounts(&read), read.id.as_str(), read.account.as_str()), (vec![550], "S 1", IBAN));
}

#[test]
fn entries_that_move_nothing_are_pending_or_say_nothing_of_the_other_side_are_kept_apart() {
    let info = "<Ntry><Amt Ccy=\"EUR\">9.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>INFO</Cd></Sts></Ntry>";
    let bare = paid("5.00", "<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs></TxDtls></NtryDtls>");
    let read = read_one(
        file(&statement(&(balance("OPBD", 0) + info + &paid("0.00", "") + &bare + &balance("CLBD", 500)))).as_bytes(),
    );
    assert_eq!((amounts(&read), read.unbooked_count), (vec![0, 500], 1));
    let line = &read.lines[1];
    assert_eq!(
        (line.end_to_end_id.as_ref(), line.counterparty_iban.as_ref(), line.remittance.as_ref()),
        (None, None, None)
    );
}

#[test]
fn a_transfer_that_comes_back_names_whoever_did_not_get_it() {
    let back = "<NtryDtls><TxDtls><Refs><EndToEndId>P1</EndToEndId></Refs><RltdPties><Dbtr><Nm>Ombelle</Nm></Dbtr><Cdtr><Nm>Ada</Nm></Cdtr>\
        <CdtrAcct><Id><IBAN>NL91ABNA0417164300</IBAN></Id></CdtrAcct></RltdPties><RtrInf><Rsn><Prtry>closed</Prtry></Rsn></RtrInf></TxDtls></NtryDtls>";
    let reversal = paid("5.00", back).replace("<Sts>", "<RvslInd>true</RvslInd><Sts>");
    let read = read_one(file(&statement(&(balance("OPBD", 0) + &reversal + &balance("CLBD", 500)))).as_bytes());
    let line = &read.lines[0];
    assert_eq!(
        (line.counterparty_name.as_deref(), line.return_reason.as_deref(), line.is_reversal),
        (Some("Ada"), Some("closed"), true)
    );
}

#[test]
fn a_file_of_several_accounts_keeps_them_apart_and_one_wrong_sum_refuses_it() {
    let other = statement(&(balance("OPBD", 100) + &paid("1.00", "") + &balance("CLBD", 200)))
        .replace(IBAN, "BE71096123456769");
    let both = file(&(statement(&(balance("OPBD", 0) + &paid("5.00", "") + &balance("CLBD", 500))) + &other));
    let read_both = read(both.as_bytes(), Limits::default()).unwrap();
    assert_eq!(
        read_both.iter().map(|it| (it.account.as_str(), amounts(it))).collect::<Vec<_>>(),
        [(IBAN, vec![500]), ("BE71096123456769", vec![100])]
    );
    let wrong = both.replace("2.00", "2.01");
    assert_eq!(read(wrong.as_bytes(), Limits::default()).unwrap_err().code(), "statement_does_not_balance");
}

#[test]
fn reports_and_notifications_need_no_balances() {
    let turned = |message: &str, part: &str| {
        file(&statement(&paid("5.00", NAMED))).replace("BkToCstmrStmt", message).replace("Stmt>", &format!("{part}>"))
    };
    for (message, part, kind) in
        [("BkToCstmrAcctRpt", "Rpt", Kind::Report), ("BkToCstmrDbtCdtNtfctn", "Ntfctn", Kind::Notification)]
    {
        let read = read_one(turned(message, part).as_bytes());
        assert_eq!((read.kind, amounts(&read), frame(&read)), (kind, vec![500], (None, None)));
    }
}

#[test]
fn lines_are_given_as_they_are_read() {
    let inside = balance("OPBD", 0) + &paid("5.00", "").repeat(1_000) + &balance("CLBD", 500_000);
    let text = file(&statement(&inside));
    let (mut seen, mut sum) = (0_usize, 0_i64);
    let read = read_from(text.as_bytes(), Form::Camt, Limits::default(), &mut |_, line| {
        seen += 1;
        sum += line.amount.get();
    });
    let read = read.unwrap().remove(0);
    assert_eq!((seen, sum, read.line_count, read.sum.get(), read.lines.len()), (1_000, 500_000, 1_000, 500_000, 0));
    // One entry that is made of more parts than any real one is refused before it fills the memory.
    let limits = Limits { part_max: 50, ..Limits::default() };
    let huge = paid("5.00", &format!("<NtryDtls>{}</NtryDtls>", "<TxDtls/>".repeat(50)));
    let text = file(&statement(&(balance("OPBD", 0) + &huge)));
    assert_eq!(super::read(text.as_bytes(), limits).unwrap_err().code(), "statement_too_many_elements");
    // So is one with more balances than any real one: they are held until its end.
    let text = file(&statement(&balance("OPBD", 0).repeat(501)));
    let refused = super::read(text.as_bytes(), Limits::default()).unwrap_err();
    assert_eq!(
        (refused.code(), refused.to_string().as_str()),
        ("statement_too_many_elements", "Stmt[1]/Bal: more than 500")
    );
}

#[test]
fn an_entry_without_a_day_has_the_day_of_its_note() {
    let undated = paid("5.00", "").replace("<BookgDt><Dt>2026-03-13</Dt></BookgDt>", "");
    let note = |head: &str| {
        let inside = format!("{head}<Acct><Id><IBAN>{IBAN}</IBAN></Id></Acct>{undated}");
        format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\"><BkToCstmrDbtCdtNtfctn>\
             <Ntfctn><Id>N1</Id>{inside}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
        )
    };
    let read = read_one(note("<CreDtTm>2026-03-16T08:00:00+01:00</CreDtTm>").as_bytes());
    assert_eq!(read.lines[0].booked_on.to_string(), "2026-03-16");
    assert!(read_with_refusal(&note("")).contains("BookgDt"));
}

fn read_with_refusal(text: &str) -> String {
    format!("{:?}", read(text.as_bytes(), Limits::default()).unwrap_err())
}

#[test]
fn a_balance_is_known_by_the_code_of_its_bank_too() {
    let own = |code, cents| balance(code, cents).replace("<Cd>", "<Prtry>").replace("</Cd>", "</Prtry>");
    let inside = own("OPBD", 0) + &own("CLBD", 500) + &paid("5.00", "");
    assert_eq!(frame(&read_one(file(&statement(&inside)).as_bytes())), (Some(0), Some(500)));
}

#[test]
fn what_two_bookings_may_share_names_none_of_them() {
    for (written, read) in [
        ("<AcctSvcrRef>ENTRY-1</AcctSvcrRef>", Some("ENTRY-1")),
        ("<AcctSvcrRef>NONREF</AcctSvcrRef>", None),
        ("<AcctSvcrRef>NotProvided</AcctSvcrRef>", None),
        ("<AcctSvcrRef>0000000000</AcctSvcrRef>", None),
        ("<AcctSvcrRef>12</AcctSvcrRef>", None),
        ("<NtryRef>ENTRY-1</NtryRef>", None),
    ] {
        let entry = paid("5.00", "").replace("<AcctSvcrRef>ENTRY-1</AcctSvcrRef>", written);
        let statement = read_one(file(&statement(&(balance("OPBD", 0) + &entry + &balance("CLBD", 500)))).as_bytes());
        assert_eq!(statement.lines[0].entry_reference.as_deref(), read, "{written}");
    }
}

#[test]
fn balances_without_a_direction_are_ours_where_the_arithmetic_confirms_it() {
    let bare = |code: &str, cents: i64| balance(code, cents).replace("<CdtDbtInd>CRDT</CdtDbtInd>", "");
    let whole = statement(&(bare("OPBD", 1_000) + &bare("CLBD", 1_500) + &paid("5.00", "")));
    assert_eq!(frame(&read_one(file(&whole).as_bytes())), (Some(1_000), Some(1_500)));
    let refused = |text: String| read(text.as_bytes(), Limits::default()).unwrap_err().code();
    // An overdraft that is said without a direction does not come to what was booked.
    assert_eq!(
        refused(file(&statement(&(bare("OPBD", 1_000) + &bare("CLBD", 500) + &paid("5.00", ""))))),
        "statement_does_not_balance"
    );
    assert_eq!(refused(file(&statement(&(bare("CLBD", 1_500) + &paid("5.00", ""))))), "statement_field_missing");
    let report = file(&statement(&(bare("OPBD", 1_000) + &bare("CLBD", 1_500) + &paid("5.00", ""))))
        .replace("BkToCstmrStmt", "BkToCstmrAcctRpt")
        .replace("Stmt>", "Rpt>");
    assert_eq!(refused(report), "statement_field_missing");
    let entry = paid("5.00", "").replace("<CdtDbtInd>CRDT</CdtDbtInd>", "");
    assert_eq!(refused(file(&statement(&(balance("OPBD", 0) + &entry)))), "statement_field_missing");
}

#[test]
fn an_entry_without_a_day_has_that_of_the_balance_that_follows_it_or_of_the_file() {
    let entry = paid("5.00", "").replace("<BookgDt><Dt>2026-03-13</Dt></BookgDt>", "");
    let day =
        |text: String| read(text.as_bytes(), Limits::default()).map(|read| read[0].lines[0].booked_on.to_string());
    let closed =
        file(&statement(&("<CreDtTm>2026-03-14T02:00:00</CreDtTm>".to_owned() + &balance("CLBD", 500) + &entry)));
    assert_eq!(day(closed).unwrap(), "2026-03-13");
    let opened = file(&statement(&(balance("OPBD", 0) + &entry)));
    assert_eq!(day(opened.clone()).unwrap_err().code(), "statement_field_missing");
    let made = opened.replace("<MsgId>M</MsgId>", "<MsgId>M</MsgId><CreDtTm>2026-03-14T02:00:00</CreDtTm>");
    assert_eq!(day(made).unwrap(), "2026-03-14");
}

#[test]
fn a_bank_that_pays_is_the_other_side() {
    let agent = "<NtryDtls><TxDtls><RltdPties><Dbtr><Agt><FinInstnId><Nm>Bank of Payers</Nm></FinInstnId></Agt></Dbtr></RltdPties>\
                 </TxDtls></NtryDtls>";
    let read = read_one(file(&statement(&(balance("OPBD", 0) + &paid("5.00", agent)))).as_bytes());
    assert_eq!(read.lines[0].counterparty_name.as_deref(), Some("Bank of Payers"));
}
