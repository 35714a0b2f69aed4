//! ISO 20022 `camt.053`, `camt.052` and `camt.054`: from elements to facts, which element says what, and the sums that
//! must hold.

use std::io::BufRead;

use chrono::NaiveDate;

use super::{Balance, BankCode, Kind, Line, Refused, Sink, Statement, vocabulary};
use crate::formats::safe_xml::{Limits, Node, Root, Step, Tree, quoted};
use crate::kernel::money::{Currency, Minor};

/// The messages that are read: what holds the parts, what a part is called, and what it says.
const MESSAGES: [(&str, &str, Kind); 3] = [
    ("BkToCstmrStmt", "Stmt", Kind::Statement),
    ("BkToCstmrAcctRpt", "Rpt", Kind::Report),
    ("BkToCstmrDbtCdtNtfctn", "Ntfctn", Kind::Notification),
];

/// Balances of one statement: banks write a dozen, one for each day at most. They are held until its end.
const BALANCES_MAX: usize = 500;
/// Statements of one file: a year of days for a hundred accounts fits. They are held until its end.
const STATEMENTS_MAX: usize = 40_000;

/// All statements of the file, without their lines, which `sink` takes one by one.
pub(super) fn statements(input: impl BufRead, limits: Limits, sink: Sink<'_>) -> Result<Vec<Statement>, Refused> {
    let (mut tree, root) = Tree::open(input, &vocabulary::VOCABULARY, limits)?;
    let (part, kind) = enter(&mut tree, root)?;
    let mut statements = Vec::new();
    let mut made_on = None;
    loop {
        match tree.step()? {
            Step::Open(opened) if opened.name == part => {
                let at = format!("{part}[{}]", statements.len().saturating_add(1));
                let index = statements.len();
                if index >= STATEMENTS_MAX {
                    return Err(Refused::TooMany { at, max: STATEMENTS_MAX });
                }
                let reading = Reading { written_on: made_on, ..Reading::of(&at) };
                statements.push(statement(&mut tree, reading, kind, &mut |line| sink(index, line))?);
            }
            Step::Open(opened) if opened.name == "GrpHdr" => {
                let header = tree.node(opened)?;
                made_on = header.text_at("CreDtTm").and_then(|text| date(text, String::new).ok());
            }
            Step::Open(_) | Step::Unknown(_) => tree.skip()?,
            Step::Text(_) => {}
            Step::Close | Step::End => break,
        }
    }
    // What follows the message is walked to the end: a file cut short or continued is not the file the bank made.
    loop {
        match tree.step()? {
            Step::Open(opened) => return Err(Refused::NotCamt { found: opened.name.to_owned() }),
            Step::Unknown(found) => return Err(Refused::NotCamt { found }),
            Step::Text(_) | Step::Close => {}
            Step::End => break,
        }
    }
    if statements.is_empty() { Err(Refused::NoStatement) } else { Ok(statements) }
}

/// Goes into the message. Some channels put the document into an envelope of their own, which is gone through.
fn enter<R: BufRead>(tree: &mut Tree<R>, root: Root) -> Result<(&'static str, Kind), Refused> {
    let mut is_in_document = root.name == "Document";
    loop {
        match tree.step()? {
            Step::Open(opened) if opened.name == "Document" && !is_in_document => is_in_document = true,
            Step::Open(opened) => match MESSAGES.iter().find(|(message, ..)| opened.name == *message) {
                Some((_, part, kind)) if is_in_document => return Ok((part, *kind)),
                Some(_) => return Err(Refused::NotCamt { found: root.name }),
                None if is_in_document => return Err(Refused::NotCamt { found: opened.name.to_owned() }),
                None => {}
            },
            Step::Unknown(found) if is_in_document => return Err(Refused::NotCamt { found }),
            Step::Close if is_in_document => return Err(Refused::NotCamt { found: "an empty document".to_owned() }),
            Step::Unknown(_) | Step::Text(_) | Step::Close => {}
            Step::End if is_in_document => return Err(tree.not_xml("no element").into()),
            Step::End => return Err(Refused::NotCamt { found: root.name }),
        }
    }
}

/// What the entries of a statement are read against.
struct Reading {
    at: String,
    /// Set by the account, else by the first amount.
    currency: Option<Currency>,
    account: String,
    /// When the bank wrote the statement, or its file.
    written_on: Option<NaiveDate>,
    /// The day of the closing balance, where it stands before the entries.
    closes_on: Option<NaiveDate>,
    /// Whether a balance said no direction.
    has_unsigned_balance: bool,
}

impl Reading {
    fn of(at: &str) -> Self {
        Self {
            at: at.to_owned(),
            currency: None,
            account: String::new(),
            written_on: None,
            closes_on: None,
            has_unsigned_balance: false,
        }
    }

    /// An amount in the currency of the statement, with its sign where it has one.
    fn amount(&mut self, node: &Node, at: &str) -> Result<(Minor, Option<Direction>), Refused> {
        let (amount, currency) = amount(node, at)?;
        let expected = *self.currency.get_or_insert(currency);
        if currency != expected {
            return Err(Refused::CurrencyDiffers { at: format!("{at}/Amt"), expected, found: currency });
        }
        let direction = direction(node, at)?;
        Ok((direction.unwrap_or(Direction::In).sign(amount), direction))
    }
}

fn statement<R: BufRead>(
    tree: &mut Tree<R>,
    mut reading: Reading,
    kind: Kind,
    sink: &mut dyn FnMut(Line),
) -> Result<Statement, Refused> {
    let at = &reading.at.clone();
    let (mut id, mut legal, mut electronic, mut period, mut balances) = (None, None, None, None, Vec::new());
    let (mut line_count, mut sum, mut entries, mut unbooked_count, mut page) =
        (0_usize, Minor::ZERO, 0_usize, 0_usize, None);
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
                Some(read) => {
                    for line in read {
                        line_count = line_count.saturating_add(1);
                        sum = sum.plus(line.amount).map_err(|_overflow| super::sum_out_of_range(at))?;
                        sink(line);
                    }
                }
                None => unbooked_count = unbooked_count.saturating_add(1),
            }
        } else if node.is("Bal") {
            if balances.len() >= BALANCES_MAX {
                return Err(Refused::TooMany { at: format!("{at}/Bal"), max: BALANCES_MAX });
            }
            if balance_code(&node) == Some("CLBD") {
                reading.closes_on = day_at(&node, "Dt", at)?;
            }
            balances.push(node);
        } else if node.is("Acct") {
            account(&mut reading, &node)?;
        } else if node.is("FrToDt") {
            period = Some(node);
        } else if node.is("CreDtTm") {
            reading.written_on = date(node.text(), String::new).ok().or(reading.written_on);
        } else if node.is("StmtPgntn") || node.is("RptPgntn") || node.is("NtfctnPgntn") {
            page = node.text_at("PgNb").map(str::to_owned).filter(|page| page != "1");
        } else if node.is("Id") {
            id = Some(node.text().to_owned()).filter(|id| !id.is_empty());
        } else if node.is("ElctrncSeqNb") {
            electronic = node.text().parse().ok();
        } else if node.is("LglSeqNb") {
            legal = node.text().parse().ok();
        }
    }
    let frame = Frame::of(&mut reading, &balances)?;
    let missing = |field: &str| Refused::FieldMissing { at: format!("{at}/{field}") };
    if reading.account.is_empty() {
        return Err(missing("Acct/Id"));
    }
    // Money is taken for ours only where opening + entries = closing is going to confirm it.
    let is_confirmed = kind == Kind::Statement && frame.opening.is_some() && frame.closing.is_some();
    if reading.has_unsigned_balance && !is_confirmed {
        return Err(missing("Bal/CdtDbtInd"));
    }
    let currency = reading.currency.ok_or_else(|| missing("Acct/Ccy"))?;
    let day = |path: &str| match period.as_ref().and_then(|period| period.text_at(path)) {
        Some(text) => date(text, || format!("{at}/FrToDt/{path}")).map(Some),
        None => Ok(None),
    };
    // The pages of one statement have one name.
    let id = match (id, page) {
        (Some(id), Some(page)) => format!("{id}/{page}"),
        (Some(id), None) => id,
        (None, _) => return Err(missing("Id")),
    };
    let mut statement = Statement {
        kind,
        id,
        sequence: electronic.or(legal),
        from_on: day("FrDtTm")?,
        to_on: day("ToDtTm")?,
        account: reading.account,
        currency,
        opening: frame.opening,
        closing: frame.closing,
        line_count,
        sum,
        lines: Vec::new(),
        unbooked_count,
    };
    if kind == Kind::Statement {
        super::complete(&mut statement, at)?;
    }
    Ok(statement)
}

/// The booked balances around the lines.
struct Frame {
    opening: Option<Balance>,
    closing: Option<Balance>,
}

impl Frame {
    /// What a page of a longer statement calls interim is where it begins or ends: the first one begins a page that
    /// has no opening balance, the last one ends a page that has no closing one.
    fn of(reading: &mut Reading, balances: &[Node]) -> Result<Self, Refused> {
        let mut opening = balance(reading, balances.iter(), "OPBD")?;
        if opening.is_none() {
            opening = balance(reading, balances.iter(), "PRCD")?;
        }
        let mut closing = balance(reading, balances.iter(), "CLBD")?;
        let interim = balances.iter().filter(|node| balance_code(node) == Some("ITBD")).count();
        if opening.is_none() && (interim > 1 || (interim == 1 && closing.is_some())) {
            opening = balance(reading, balances.iter(), "ITBD")?;
        }
        if closing.is_none() && (interim > 1 || (interim == 1 && opening.is_some())) {
            closing = balance(reading, balances.iter().rev(), "ITBD")?;
        }
        Ok(Self { opening, closing })
    }
}

/// Where a balance says which one it is.
fn balance_code(node: &Node) -> Option<&str> {
    node.text_at("Tp/CdOrPrtry/Cd").or_else(|| node.text_at("Tp/CdOrPrtry/Prtry"))
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

fn balance<'n>(
    reading: &mut Reading,
    mut balances: impl Iterator<Item = &'n Node>,
    code: &str,
) -> Result<Option<Balance>, Refused> {
    let Some(node) = balances.find(|node| balance_code(node) == Some(code)) else {
        return Ok(None);
    };
    let at = format!("{}/Bal[{code}]", reading.at);
    let (amount, direction) = reading.amount(node, &at)?;
    reading.has_unsigned_balance |= direction.is_none();
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
    let (amount, direction) = reading.amount(node, &at)?;
    if direction.is_none() {
        return Err(Refused::FieldMissing { at: format!("{at}/CdtDbtInd") });
    }
    let valued_on = day_at(node, "ValDt", &at)?;
    let booked_on = day_at(node, "BookgDt", &at)?
        .or(valued_on)
        .or(reading.closes_on)
        .or(reading.written_on)
        .ok_or_else(|| Refused::FieldMissing { at: format!("{at}/BookgDt") })?;
    let whole = Line {
        entry: number,
        entry_reference: owned(node.text_at("AcctSvcrRef").filter(|text| names_one_booking(text))),
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

/// Whether a bank means one booking by a reference. Where it has none, some write a word for that, or a running number
/// of the file: what two bookings share cannot say which one is meant.
fn names_one_booking(text: &str) -> bool {
    const SHORTEST: usize = 6;
    !super::says_none(text) && text.len() >= SHORTEST && text.chars().any(|c| c.is_ascii_digit() && c != '0')
}

/// One line per transaction of an entry that has several.
///
/// Where their amounts are not all stated in the currency of the account, or do not come to what was booked (charges,
/// rates), the entry stays one line: what was booked is certain, and guessing a split would match wrongly.
fn batch(reading: &Reading, whole: &Line, details: &[&Node], at: &str) -> Result<Vec<Line>, Refused> {
    let mut lines = Vec::with_capacity(details.len());
    for (index, detail) in details.iter().enumerate() {
        let at = format!("{at}/NtryDtls/TxDtls[{}]", index.saturating_add(1));
        let Some(amount) = detail_amount(reading, detail, whole.amount, &at)? else {
            return Ok(vec![whole.clone()]);
        };
        lines.push(line(reading, whole, detail, amount));
    }
    let parts = Minor::sum(lines.iter().map(|line| line.amount)).map_err(|_overflow| super::sum_out_of_range(at))?;
    if parts == whole.amount { Ok(lines) } else { Ok(vec![whole.clone()]) }
}

/// The amount of one transaction in the currency of the account: stated directly, or (until version 3) in its details,
/// where some banks give only what the payer asked for.
fn detail_amount(reading: &Reading, detail: &Node, entry: Minor, at: &str) -> Result<Option<Minor>, Refused> {
    let direction = direction(detail, at)?.unwrap_or(if entry < Minor::ZERO { Direction::Out } else { Direction::In });
    let places = [Some(detail), detail.at("AmtDtls/TxAmt"), detail.at("AmtDtls/InstdAmt")];
    for stated in places.into_iter().flatten() {
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
        end_to_end_id: owned(detail.text_at("Refs/EndToEndId").filter(|id| !super::says_none(id))),
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
            .or_else(|| detail.text_at(&format!("RltdPties/{role}/Nm")))
            .or_else(|| detail.text_at(&format!("RltdPties/{role}/Agt/FinInstnId/Nm")));
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
