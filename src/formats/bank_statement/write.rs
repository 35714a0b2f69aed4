//! A statement as a bank of our own would send it (`camt.053.001.08`): for the sandbox, the demo and the tests.

use chrono::{DateTime, NaiveDate, Utc};

use super::{Balance, Line, Statement};
use crate::formats::bank_xml::BankXml;
use crate::kernel::money::{Currency, Minor, MoneyError};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08";

/// Writes statements; [`super::read`] gives the same facts back, and the same facts give the same bytes.
///
/// Lines of one `entry` that follow one another become one batch entry, with the dates and code of the first. Whether
/// the statement balances is not checked: a sandbox bank must be able to send a wrong one.
///
/// # Errors
/// Refuses a batch whose sum is out of range.
pub fn write(message_id: &str, created_at: DateTime<Utc>, statements: &[Statement]) -> Result<Vec<u8>, MoneyError> {
    let mut batches = Vec::new();
    for statement in statements {
        let mut totals = Vec::new();
        for lines in statement.lines.chunk_by(|left, right| left.entry == right.entry) {
            totals.push((Minor::sum(lines.iter().map(|line| line.amount))?, lines));
        }
        batches.push((statement, totals));
    }
    let created_at = created_at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    Ok(BankXml::message(NAMESPACE, |xml| {
        xml.within("BkToCstmrStmt", |xml| {
            xml.within("GrpHdr", |xml| {
                xml.leaf("MsgId", message_id);
                xml.leaf("CreDtTm", &created_at);
            });
            for (statement, batches) in batches {
                xml.within("Stmt", |xml| write_statement(xml, statement, &batches, &created_at));
            }
        });
    }))
}

fn write_statement(xml: &mut BankXml, statement: &Statement, batches: &[(Minor, &[Line])], created_at: &str) {
    xml.leaf("Id", &statement.id);
    xml.leaf_if("ElctrncSeqNb", statement.sequence.map(|sequence| sequence.to_string()).as_deref());
    xml.leaf("CreDtTm", created_at);
    if statement.from_on.is_some() || statement.to_on.is_some() {
        let at = |day: Option<NaiveDate>, time: &str| day.map(|day| format!("{day}T{time}"));
        xml.within("FrToDt", |xml| {
            xml.leaf_if("FrDtTm", at(statement.from_on, "00:00:00").as_deref());
            xml.leaf_if("ToDtTm", at(statement.to_on, "23:59:59").as_deref());
        });
    }
    xml.within("Acct", |xml| {
        let is_iban = statement.account.parse::<iban::Iban>().is_ok();
        xml.leaf(if is_iban { "Id/IBAN" } else { "Id/Othr/Id" }, &statement.account);
        xml.leaf("Ccy", statement.currency.code());
    });
    for (code, balance) in [("OPBD", statement.opening), ("CLBD", statement.closing)] {
        if let Some(balance) = balance {
            xml.within("Bal", |xml| write_balance(xml, code, balance, statement.currency));
        }
    }
    for (total, lines) in batches {
        xml.within("Ntry", |xml| write_entry(xml, *total, lines, statement.currency));
    }
}

fn write_balance(xml: &mut BankXml, code: &str, balance: Balance, currency: Currency) {
    xml.leaf("Tp/CdOrPrtry/Cd", code);
    write_amount(xml, balance.amount, currency);
    xml.leaf("Dt/Dt", &balance.on.to_string());
}

fn write_entry(xml: &mut BankXml, total: Minor, lines: &[Line], currency: Currency) {
    write_amount(xml, total, currency);
    let Some(first) = lines.first() else { return };
    xml.leaf_if("RvslInd", first.is_reversal.then_some("true"));
    xml.leaf("Sts/Cd", "BOOK");
    xml.leaf("BookgDt/Dt", &first.booked_on.to_string());
    xml.leaf_if("ValDt/Dt", first.valued_on.map(|day| day.to_string()).as_deref());
    if let Some(code) = &first.bank_code {
        xml.within("BkTxCd/Domn", |xml| {
            xml.leaf("Cd", &code.domain);
            xml.within("Fmly", |xml| {
                xml.leaf("Cd", &code.family);
                xml.leaf("SubFmlyCd", &code.sub_family);
            });
        });
    }
    xml.within("NtryDtls", |xml| {
        for line in lines {
            xml.within("TxDtls", |xml| write_transaction(xml, line, currency));
        }
    });
}

fn write_transaction(xml: &mut BankXml, line: &Line, currency: Currency) {
    xml.within("Refs", |xml| {
        xml.leaf_if("AcctSvcrRef", line.bank_reference.as_deref());
        xml.leaf_if("PmtInfId", line.payment_id.as_deref());
        xml.leaf("EndToEndId", line.end_to_end_id.as_deref().unwrap_or("NOTPROVIDED"));
    });
    write_amount(xml, line.amount, currency);
    if line.counterparty_name.is_some() || line.counterparty_iban.is_some() {
        let role = if line.amount < Minor::ZERO { "Cdtr" } else { "Dbtr" };
        xml.within("RltdPties", |xml| {
            xml.leaf_if(&format!("{role}/Pty/Nm"), line.counterparty_name.as_deref());
            xml.leaf_if(&format!("{role}Acct/Id/IBAN"), line.counterparty_iban.as_deref());
        });
    }
    if line.remittance.is_some() || line.creditor_reference.is_some() {
        xml.within("RmtInf", |xml| {
            xml.leaf_if("Ustrd", line.remittance.as_deref());
            xml.leaf_if("Strd/CdtrRefInf/Ref", line.creditor_reference.as_deref());
        });
    }
    xml.leaf_if("RtrInf/Rsn/Cd", line.return_reason.as_deref());
}

fn write_amount(xml: &mut BankXml, amount: Minor, currency: Currency) {
    xml.amount("Amt", amount, currency);
    xml.leaf("CdtDbtInd", if amount < Minor::ZERO { "DBIT" } else { "CRDT" });
}
