//! A statement of a hundred thousand lines, imported by a process whose memory is watched.
//!
//! The file is what a collector of small payments gets: each line with a reference of the bank, a payer, their account
//! and a text; none of them is for an invoice, so that all of them are kept, booked and wait.

use std::fmt::Write as _;
use std::time::Instant;

use serde_json::Value;
use umbel::demo::{Client, PASSWORD};
use umbel::platform::clock::Clock;
use umbel::platform::config::Config;

use super::mutual::{IBAN, Office};
use super::process::Serving;
use super::{Report, ratio};
use crate::commands::Outcome;

const LINES: usize = 100_000;
const REVIEWER: &str = "reviewer@ombelle.example";

/// Measures in a fresh process.
pub fn measure(report: &Report, config: &Config) -> Outcome<()> {
    let office = Office::found(config)?;
    let (iban, opening) = (IBAN, office.cast.bank.balance().get());
    let today = office.stage.today().to_string();
    office.close();
    let file = statement(iban, &today, opening)?;
    let (serving, _) = Serving::start(&config.data)?;
    let client = Client::new(&serving.base, Clock::system()).sign_in(REVIEWER, PASSWORD)?;
    client.get("/v1/bank_lines")?;
    let idle = serving.resident_kib("VmHWM:")?;
    let began = Instant::now();
    let imported = client.upload("/v1/bank_statements", "application/xml", file.as_bytes())?.expect(201)?;
    let took = u64::try_from(began.elapsed().as_millis())?;
    let peak = serving.resident_kib("VmHWM:")?;
    let kept = imported.get("lines").and_then(Value::as_u64).unwrap_or_default();
    if kept != u64::try_from(LINES)? {
        return Err(format!("{kept} of {LINES} lines were kept").into());
    }
    drop(serving);
    let megabytes = |kib: u64| ratio(kib.saturating_mul(1024), 1_000_000);
    report.figure("statement_lines", LINES.into(), "lines", 1)?;
    report.figure("statement_file", ratio(u64::try_from(file.len())?, 1_000_000), "MB", 1)?;
    report.figure("statement_import_time", ratio(took, 1000), "s", 1)?;
    report.figure("statement_memory_before", megabytes(idle), "MB", 1)?;
    report.figure("statement_memory_peak", megabytes(peak), "MB", 1)
}

/// The file, without a library, so that what reads it did not write it.
fn statement(iban: &str, day: &str, opening: i64) -> Outcome<String> {
    let plain = |cents: i64| format!("{}.{:02}", cents.div_euclid(100), cents.rem_euclid(100));
    let balance = |code: &str, cents: i64| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{}</Amt><CdtDbtInd>CRDT</CdtDbtInd>\
             <Dt><Dt>{day}</Dt></Dt></Bal>",
            plain(cents)
        )
    };
    let amount = |n: i64| n.rem_euclid(9_973).saturating_add(1);
    let lines = i64::try_from(LINES)?;
    let sum: i64 = (0..lines).map(amount).sum();
    let mut file = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt>\
         <GrpHdr><MsgId>LARGE</MsgId></GrpHdr><Stmt><Id>LARGE-1</Id><Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>{}{}",
        balance("OPBD", opening),
        balance("CLBD", opening.saturating_add(sum))
    );
    for n in 0..lines {
        write!(
            file,
            "<Ntry><NtryRef>{n}</NtryRef><Amt Ccy=\"EUR\">{}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
             <BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt><AcctSvcrRef>B{n:012}</AcctSvcrRef>\
             <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>\
             <NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><RltdPties><Dbtr><Pty><Nm>Payer number {n}</Nm></Pty></Dbtr>\
             <DbtrAcct><Id><IBAN>NL91ABNA0417164300</IBAN></Id></DbtrAcct></RltdPties><RmtInf><Ustrd>Small payment {n}, thank you</Ustrd></RmtInf>\
             </TxDtls></NtryDtls></Ntry>",
            plain(amount(n))
        )?;
    }
    file.push_str("</Stmt></BkToCstmrStmt></Document>");
    Ok(file)
}
