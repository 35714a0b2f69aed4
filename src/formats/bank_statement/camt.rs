//! ISO 20022 `camt.053`: from elements to facts, which element says what, and the sums that must hold.

use chrono::NaiveDate;

use super::{Balance, BankCode, Line, Refused, Statement};
use crate::formats::safe_xml::{Node, Root, Step, Tree, quoted};
use crate::kernel::money::{Currency, Minor};

/// All statements of the file.
pub(super) fn statements(mut tree: Tree<'_>, root: Root) -> Result<Vec<Statement>, Refused> {
    if root.name != "Document" {
        return Err(Refused::NotCamt053 { found: root.name });
    }
    let mut statements = Vec::new();
    enter(&mut tree, "BkToCstmrStmt")?;
    loop {
        match tree.step()? {
            Step::Open(opened) if opened.name == "Stmt" => {
                let at = format!("Stmt[{}]", statements.len().saturating_add(1));
                statements.push(statement(&mut tree, &at)?);
            }
            Step::Open(_) | Step::Unknown(_) => tree.skip()?,
            Step::Text(_) => {}
            Step::Close | Step::End => break,
        }
    }
    // What follows the message is walked to the end: a file cut short or continued is not the file the bank made.
    loop {
        match tree.step()? {
            Step::Open(opened) => return Err(Refused::NotCamt053 { found: opened.name.to_owned() }),
            Step::Unknown(found) => return Err(Refused::NotCamt053 { found }),
            Step::Text(_) | Step::Close => {}
            Step::End => break,
        }
    }
    if statements.is_empty() { Err(Refused::NoStatement) } else { Ok(statements) }
}

/// Goes into the element `name`, which must come next.
fn enter(tree: &mut Tree<'_>, name: &str) -> Result<(), Refused> {
    loop {
        match tree.step()? {
            Step::Open(opened) if opened.name == name => return Ok(()),
            Step::Open(opened) => return Err(Refused::NotCamt053 { found: opened.name.to_owned() }),
            Step::Unknown(found) => return Err(Refused::NotCamt053 { found }),
            Step::Text(_) => {}
            Step::Close => return Err(Refused::NotCamt053 { found: "an empty document".to_owned() }),
            Step::End => return Err(tree.not_xml("no element").into()),
        }
    }
}

/// What the entries of a statement are read against.
struct Reading {
    at: String,
    /// Set by the account, else by the first amount.
    currency: Option<Currency>,
    account: String,
}

impl Reading {
    /// An amount with its sign, in the currency of the statement.
    fn signed(&mut self, node: &Node, at: &str) -> Result<Minor, Refused> {
        let (amount, currency) = amount(node, at)?;
        let expected = *self.currency.get_or_insert(currency);
        if currency != expected {
            return Err(Refused::CurrencyDiffers { at: format!("{at}/Amt"), expected, found: currency });
        }
        let direction = direction(node, at)?.ok_or_else(|| Refused::FieldMissing { at: format!("{at}/CdtDbtInd") })?;
        Ok(direction.sign(amount))
    }
}

fn statement(tree: &mut Tree<'_>, at: &str) -> Result<Statement, Refused> {
    let mut reading = Reading { at: at.to_owned(), currency: None, account: String::new() };
    let (mut id, mut legal, mut electronic, mut period, mut balances) = (None, None, None, None, Vec::new());
    let (mut lines, mut entries, mut unbooked_count) = (Vec::new(), 0_usize, 0_usize);
    loop {
        let opened = match tree.step()? {
            Step::Open(opened) => opened,
            Step::Unknown(_) => {
                tree.skip()?;
                continue;
            }
            Step::Text(_) => continue,
            Step::Close | Step::End => break,
        };
        let node = tree.node(opened)?;
        if node.is("Ntry") {
            entries = entries.saturating_add(1);
            match entry(&mut reading, &node, entries)? {
                Some(read) => lines.extend(read),
                None => unbooked_count = unbooked_count.saturating_add(1),
            }
        } else if node.is("Bal") {
            balances.push(node);
        } else if node.is("Acct") {
            account(&mut reading, &node)?;
        } else if node.is("FrToDt") {
            period = Some(node);
        } else if node.is("Id") {
            id = Some(node.text().to_owned()).filter(|id| !id.is_empty());
        } else if node.is("ElctrncSeqNb") {
            electronic = node.text().parse().ok();
        } else if node.is("LglSeqNb") {
            legal = node.text().parse().ok();
        }
    }
    let opening = match balance(&mut reading, &balances, "OPBD")? {
        Some(opening) => Some(opening),
        None => balance(&mut reading, &balances, "PRCD")?,
    };
    let closing = balance(&mut reading, &balances, "CLBD")?;
    let missing = |field: &str| Refused::FieldMissing { at: format!("{at}/{field}") };
    if reading.account.is_empty() {
        return Err(missing("Acct/Id"));
    }
    let currency = reading.currency.ok_or_else(|| missing("Acct/Ccy"))?;
    let day = |path: &str| match period.as_ref().and_then(|period| period.text_at(path)) {
        Some(text) => date(text, || format!("{at}/FrToDt/{path}")).map(Some),
        None => Ok(None),
    };
    let statement = Statement {
        id: id.ok_or_else(|| missing("Id"))?,
        sequence: electronic.or(legal),
        from_on: day("FrDtTm")?,
        to_on: day("ToDtTm")?,
        account: reading.account,
        currency,
        opening,
        closing,
        lines,
        unbooked_count,
    };
    super::check_balance(&statement, at)?;
    Ok(statement)
}

fn account(reading: &mut Reading, node: &Node) -> Result<(), Refused> {
    if let Some(account) = node.text_at("Id/IBAN").or_else(|| node.text_at("Id/Othr/Id")) {
        reading.account = compact(account);
    }
    if let Some(text) = node.text_at("Ccy") {
        let at = || format!("{}/Acct/Ccy", reading.at);
        let currency = text.parse().map_err(|_not_one| Refused::AmountInvalid { at: at(), text: quoted(text) })?;
        reading.currency = Some(currency);
    }
    Ok(())
}

fn balance(reading: &mut Reading, balances: &[Node], code: &str) -> Result<Option<Balance>, Refused> {
    let Some(node) = balances.iter().find(|node| node.text_at("Tp/CdOrPrtry/Cd") == Some(code)) else {
        return Ok(None);
    };
    let at = format!("{}/Bal[{code}]", reading.at);
    let amount = reading.signed(node, &at)?;
    let on = day_at(node, "Dt", &at)?.ok_or_else(|| Refused::FieldMissing { at: format!("{at}/Dt") })?;
    Ok(Some(Balance { amount, on }))
}

/// The lines of one entry, or `None` when it is not booked.
fn entry(reading: &mut Reading, node: &Node, number: usize) -> Result<Option<Vec<Line>>, Refused> {
    let at = format!("{}/Ntry[{number}]", reading.at);
    if reading.account.is_empty() {
        return Err(Refused::FieldMissing { at: format!("{}/Acct/Id", reading.at) });
    }
    let status = node.text_at("Sts/Cd").or_else(|| node.text_at("Sts"));
    if matches!(status, Some("PDNG" | "INFO" | "FUTR")) {
        return Ok(None);
    }
    let amount = reading.signed(node, &at)?;
    let valued_on = day_at(node, "ValDt", &at)?;
    let booked_on = day_at(node, "BookgDt", &at)?
        .or(valued_on)
        .ok_or_else(|| Refused::FieldMissing { at: format!("{at}/BookgDt") })?;
    let whole = Line {
        entry: number,
        amount,
        booked_on,
        valued_on,
        bank_reference: owned(node.text_at("AcctSvcrRef").or_else(|| node.text_at("NtryRef"))),
        bank_code: bank_code(node),
        is_reversal: matches!(node.text_at("RvslInd"), Some("true" | "1")),
        payment_id: owned(node.text_at("NtryDtls/Btch/PmtInfId")),
        end_to_end_id: None,
        creditor_reference: None,
        remittance: owned(node.text_at("AddtlNtryInf")),
        counterparty_name: None,
        counterparty_iban: None,
        return_reason: None,
    };
    let details: Vec<&Node> = node
        .children("NtryDtls")
        .flat_map(|details| details.children("TxDtls"))
        .chain(node.children("TxDtls"))
        .collect();
    match details.as_slice() {
        [] => Ok(Some(vec![whole])),
        // The entry is what was booked: a single transaction may state its amount before charges or in a foreign currency.
        [only] => Ok(Some(vec![line(reading, &whole, only, amount)])),
        several => batch(reading, &whole, several, &at).map(Some),
    }
}

/// One line per transaction of an entry that has several.
///
/// Where the bank states no amount for any of them, the entry stays one line: guessing a split would match wrongly.
fn batch(reading: &Reading, whole: &Line, details: &[&Node], at: &str) -> Result<Vec<Line>, Refused> {
    let mut amounts = Vec::with_capacity(details.len());
    for (index, detail) in details.iter().enumerate() {
        let at = format!("{at}/NtryDtls/TxDtls[{}]", index.saturating_add(1));
        amounts.push((detail_amount(reading, detail, whole.amount, &at)?, at));
    }
    if amounts.iter().all(|(amount, _)| amount.is_none()) {
        return Ok(vec![whole.clone()]);
    }
    let mut lines = Vec::with_capacity(details.len());
    for ((amount, at), detail) in amounts.into_iter().zip(details) {
        let amount = amount.ok_or_else(|| Refused::FieldMissing { at: format!("{at}/Amt") })?;
        lines.push(line(reading, whole, detail, amount));
    }
    let parts = Minor::sum(lines.iter().map(|line| line.amount))
        .map_err(|_overflow| Refused::AmountInvalid { at: at.to_owned(), text: "sum out of range".to_owned() })?;
    if parts == whole.amount {
        return Ok(lines);
    }
    let currency = reading.currency.unwrap_or(Currency::EUR);
    Err(Refused::BatchDoesNotAddUp { at: at.to_owned(), entry: whole.amount, parts, currency })
}

/// The amount of one transaction in the currency of the account: stated directly, or (until version 3) in its details.
fn detail_amount(reading: &Reading, detail: &Node, entry: Minor, at: &str) -> Result<Option<Minor>, Refused> {
    let direction = direction(detail, at)?.unwrap_or(if entry < Minor::ZERO { Direction::Out } else { Direction::In });
    for stated in [Some(detail), detail.at("AmtDtls/TxAmt")].into_iter().flatten() {
        if stated.at("Amt").is_none() {
            continue;
        }
        let (amount, currency) = amount(stated, at)?;
        if Some(currency) == reading.currency {
            return Ok(Some(direction.sign(amount)));
        }
    }
    Ok(None)
}

/// A line of the transaction `detail`, with what the entry says where the transaction says nothing.
fn line(reading: &Reading, whole: &Line, detail: &Node, amount: Minor) -> Line {
    let return_reason = detail.text_at("RtrInf/Rsn/Cd").or_else(|| detail.text_at("RtrInf/Rsn/Prtry"));
    let is_return = whole.is_reversal || return_reason.is_some();
    let (name, iban) = counterparty(reading, detail, amount, is_return);
    let structured = |strd: &Node| owned(strd.text_at("CdtrRefInf/Ref"));
    let mut references = detail.children("RmtInf").flat_map(|info| info.children("Strd")).filter_map(structured);
    let creditor_reference = references.next();
    let texts = detail.children("RmtInf").flat_map(|info| info.children("Ustrd")).map(|text| text.text().to_owned());
    let remittance = texts.chain(references).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
    Line {
        amount,
        bank_reference: owned(detail.text_at("Refs/AcctSvcrRef")).or_else(|| whole.bank_reference.clone()),
        bank_code: bank_code(detail).or_else(|| whole.bank_code.clone()),
        payment_id: owned(detail.text_at("Refs/PmtInfId")).or_else(|| whole.payment_id.clone()),
        end_to_end_id: owned(detail.text_at("Refs/EndToEndId").filter(|id| *id != "NOTPROVIDED")),
        creditor_reference,
        remittance: Some(remittance)
            .filter(|text| !text.is_empty())
            .or_else(|| owned(detail.text_at("AddtlTxInf")))
            .or_else(|| whole.remittance.clone()),
        counterparty_name: name,
        counterparty_iban: iban,
        return_reason: owned(return_reason),
        ..whole.clone()
    }
}

/// Name and account of the other side.
///
/// Money in comes from the debtor, money out goes to the creditor. When a transfer comes back, some banks keep the
/// parties of the original and some turn them round: so the side that is our own account, or empty, gives way.
fn counterparty(reading: &Reading, detail: &Node, amount: Minor, is_return: bool) -> (Option<String>, Option<String>) {
    let side = |role: &str| {
        let name = detail
            .text_at(&format!("RltdPties/{role}/Pty/Nm"))
            .or_else(|| detail.text_at(&format!("RltdPties/{role}/Nm")));
        let iban = detail.text_at(&format!("RltdPties/{role}Acct/Id/IBAN")).map(compact);
        (owned(name), iban)
    };
    let (likely, other) =
        if (amount < Minor::ZERO) == is_return { (side("Dbtr"), side("Cdtr")) } else { (side("Cdtr"), side("Dbtr")) };
    let is_ours = |iban: &Option<String>| iban.as_deref() == Some(reading.account.as_str());
    let is_empty = likely.0.is_none() && likely.1.is_none();
    let gives_way = is_ours(&likely.1) || is_empty || (is_return && likely.1.is_none() && other.1.is_some());
    if gives_way && !is_ours(&other.1) { other } else { likely }
}

fn bank_code(node: &Node) -> Option<BankCode> {
    let domain = node.at("BkTxCd/Domn")?;
    Some(BankCode {
        domain: domain.text_at("Cd")?.to_owned(),
        family: domain.text_at("Fmly/Cd").unwrap_or_default().to_owned(),
        sub_family: domain.text_at("Fmly/SubFmlyCd").unwrap_or_default().to_owned(),
    })
}

/// Which way the money went.
#[derive(Clone, Copy)]
enum Direction {
    In,
    Out,
}

impl Direction {
    fn sign(self, amount: Minor) -> Minor {
        match self {
            Self::In => amount,
            Self::Out => Minor::new(amount.get().saturating_neg()),
        }
    }
}

fn direction(node: &Node, at: &str) -> Result<Option<Direction>, Refused> {
    match node.text_at("CdtDbtInd") {
        None => Ok(None),
        Some("CRDT") => Ok(Some(Direction::In)),
        Some("DBIT") => Ok(Some(Direction::Out)),
        Some(_) => Err(Refused::DirectionInvalid { at: format!("{at}/CdtDbtInd") }),
    }
}

/// The `Amt` of an element, never negative, with its currency.
fn amount(node: &Node, at: &str) -> Result<(Minor, Currency), Refused> {
    let at = || format!("{at}/Amt");
    let stated = node.at("Amt").ok_or_else(|| Refused::FieldMissing { at: at() })?;
    let currency = stated.attribute("Ccy").and_then(|code| code.parse::<Currency>().ok());
    let currency = currency.ok_or_else(|| Refused::FieldMissing { at: format!("{}/@Ccy", at()) })?;
    match units(stated.text(), currency.exponent()) {
        Some(units) => Ok((Minor::new(units), currency)),
        None => Err(Refused::AmountInvalid { at: at(), text: quoted(stated.text()) }),
    }
}

/// Whole minor units of a plain decimal. `None` for digits the currency does not have, signs, exponents, overflow.
fn units(text: &str, exponent: u32) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // Zeros beyond the currency's digits say nothing and some banks write them.
    let fraction = fraction.trim_end_matches('0');
    let missing = usize::try_from(exponent).ok()?.checked_sub(fraction.len())?;
    let digits = format!("{whole}{fraction}{}", "0".repeat(missing));
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|units| *units <= Minor::LIMIT)
}

/// The day of a date element, which holds a date or a moment.
fn day_at(node: &Node, element: &str, at: &str) -> Result<Option<NaiveDate>, Refused> {
    let found = ["Dt", "DtTm"].iter().find_map(|kind| node.text_at(&format!("{element}/{kind}")));
    found.map(|text| date(text, || format!("{at}/{element}"))).transpose()
}

/// A date, or the day of a moment in the bank's own time: `2026-03-13`, `2026-03-13T00:00:00+01:00`, `2026-03-13Z`.
fn date(text: &str, at: impl Fn() -> String) -> Result<NaiveDate, Refused> {
    let invalid = || Refused::DateInvalid { at: at(), text: quoted(text) };
    let (day, rest) = text.split_at_checked(10).ok_or_else(invalid)?;
    if !(rest.is_empty() || rest.starts_with(['T', 'Z', '+', '-'])) {
        return Err(invalid());
    }
    NaiveDate::parse_from_str(day, "%Y-%m-%d").map_err(|_not_a_date| invalid())
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

/// An account number without blanks, in capitals.
fn compact(account: &str) -> String {
    account.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect()
}
