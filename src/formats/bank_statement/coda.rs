//! CODA, the coded statement of account of Belgian banks: records of 128 characters (Febelfin, version 2).
//!
//! What stands where follows the standard's own tables, with positions counted from 1. A movement with detail number 0
//! is what the bank booked; where it is a total, its details say what it is made of.

use std::io::{BufRead, Read as _};

use chrono::NaiveDate;

use super::{Balance, Kind, Line, Refused, Sink, Statement};
use crate::formats::safe_xml::{self, Limits, quoted};
use crate::kernel::money::{Currency, Minor};

/// Characters of a record.
const WIDTH: usize = 128;
/// Bytes of a line that are looked at: a record of letters beyond ASCII, and then some.
const RECORD_MAX: u64 = 4_096;
/// Amounts have three decimals, whatever the currency has.
const DECIMALS: u32 = 3;
/// `BE00` as digits, for the check of an account number that is not written as an IBAN.
const BELGIUM: &str = "111400";

/// Whether the file begins like one: zeros, and the day on which it was made.
pub(super) fn is_coda(bytes: &[u8]) -> bool {
    bytes.get(..11).is_some_and(|head| head.starts_with(b"00000") && head.iter().all(u8::is_ascii_digit))
}

/// All statements of the file, without their lines, which `sink` takes one by one.
pub(super) fn statements(input: impl BufRead, limits: Limits, sink: Sink<'_>) -> Result<Vec<Statement>, Refused> {
    let mut file = File::default();
    let mut input = input;
    let (mut line, mut n, mut bytes) = (Vec::new(), 0_usize, 0_usize);
    loop {
        line.clear();
        n = n.saturating_add(1);
        // A record is short; whatever is longer is none, and is not read to its end.
        let read = input.by_ref().take(RECORD_MAX).read_until(b'\n', &mut line);
        let read = read.map_err(|_broken| Refused::Incomplete { at: format!("line {n}") })?;
        if read == 0 {
            break;
        }
        bytes = bytes.saturating_add(read);
        if bytes > limits.bytes_max {
            return Err(safe_xml::Refused::TooLarge { bytes, bytes_max: limits.bytes_max }.into());
        }
        if n > limits.elements_max {
            return Err(safe_xml::Refused::TooManyElements { elements_max: limits.elements_max }.into());
        }
        let text = decoded(&line);
        let text = text.trim_end_matches(['\n', '\r', '\u{1A}']);
        if !text.trim().is_empty() {
            file.take(&Record::new(text, n)?, sink)?;
        }
    }
    file.end()
}

/// A line in characters. Banks write ASCII, or Latin-1 for the names that ASCII has no letters for.
fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_latin) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// One record.
struct Record {
    characters: Vec<char>,
    /// Its line in the file, from 1.
    line: usize,
}

impl Record {
    fn new(line: &str, n: usize) -> Result<Self, Refused> {
        let mut characters: Vec<char> = line.trim_end().chars().collect();
        if characters.len() > WIDTH {
            return Err(Refused::RecordInvalid { at: format!("line {n}"), text: quoted(line) });
        }
        characters.resize(WIDTH, ' ');
        Ok(Self { characters, line: n })
    }

    /// What stands from position `first` to `last`, both counted from 1.
    fn raw(&self, first: usize, last: usize) -> String {
        let skipped = first.saturating_sub(1);
        self.characters.iter().skip(skipped).take(last.saturating_sub(skipped)).collect()
    }

    /// As [`Record::raw`], with runs of blanks as one space.
    fn text(&self, first: usize, last: usize) -> String {
        self.raw(first, last).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn at(&self, first: usize) -> String {
        format!("line {}, position {first}", self.line)
    }

    fn invalid(&self, first: usize, last: usize) -> Refused {
        Refused::RecordInvalid { at: self.at(first), text: self.raw(first, last) }
    }

    /// A day as `DDMMYY`; none for zeros and blanks.
    fn day(&self, first: usize) -> Result<Option<NaiveDate>, Refused> {
        let text = self.raw(first, first.saturating_add(5));
        if text.chars().all(|c| matches!(c, '0' | ' ')) {
            return Ok(None);
        }
        let number = |from: usize| text.get(from..from.saturating_add(2)).and_then(|two| two.parse::<u32>().ok());
        let day = number(4)
            .and_then(|year| i32::try_from(year.saturating_add(2_000)).ok())
            .zip(number(2).zip(number(0)))
            .and_then(|(year, (month, day))| NaiveDate::from_ymd_opt(year, month, day));
        day.map(Some).ok_or_else(|| Refused::DateInvalid { at: self.at(first), text: quoted(&text) })
    }

    fn needed_day(&self, first: usize) -> Result<NaiveDate, Refused> {
        self.day(first)?.ok_or_else(|| Refused::FieldMissing { at: self.at(first) })
    }

    /// An amount with its sign before it: `0` came in, `1` went out.
    fn signed(&self, sign: usize, currency: Currency) -> Result<Minor, Refused> {
        let first = sign.saturating_add(1);
        let text = self.raw(first, first.saturating_add(14));
        let wrong = || Refused::AmountInvalid { at: self.at(first), text: quoted(&text) };
        let thousandths: i64 = Some(&text)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(wrong)?;
        let step = DECIMALS.checked_sub(currency.exponent()).and_then(|less| 10_i64.checked_pow(less));
        let step = step.ok_or_else(wrong)?;
        let (units, rest) = (thousandths.checked_div(step), thousandths.checked_rem(step));
        let amount = units.filter(|units| rest == Some(0) && *units <= Minor::LIMIT).map(Minor::new);
        let amount = amount.ok_or_else(wrong)?;
        match self.raw(sign, sign).as_str() {
            "0" => Ok(amount),
            "1" => Ok(Minor::new(amount.get().saturating_neg())),
            _ => Err(Refused::DirectionInvalid { at: self.at(sign) }),
        }
    }

    /// The account in the 37 positions from `first`, and its currency, by the structure that `structure` names.
    fn account(&self, structure: usize, first: usize) -> Result<(String, Currency), Refused> {
        let from = |skipped: usize, length: usize| {
            let start = first.saturating_add(skipped);
            (start, start.saturating_add(length).saturating_sub(1))
        };
        let (number, currency) = match self.raw(structure, structure).as_str() {
            "0" => (from(0, 12), from(13, 3)),
            "1" | "3" => (from(0, 34), from(34, 3)),
            "2" => (from(0, 31), from(34, 3)),
            _ => return Err(self.invalid(structure, structure)),
        };
        let written: String = self.raw(number.0, number.1).split_whitespace().collect();
        let account = if self.raw(structure, structure) == "0" { belgian_iban(&written) } else { Some(written) };
        let account = account.filter(|account| !account.is_empty());
        let account = account.ok_or_else(|| self.invalid(number.0, number.1))?;
        let currency =
            self.raw(currency.0, currency.1).parse().map_err(|_none| self.invalid(currency.0, currency.1))?;
        Ok((account, currency))
    }
}

/// The IBAN of a Belgian account number of twelve digits.
fn belgian_iban(number: &str) -> Option<String> {
    let value: u128 = format!("{number}{BELGIUM}").parse().ok().filter(|_| number.len() == 12)?;
    let check = 98_u128.checked_sub(value.checked_rem(97)?)?;
    Some(format!("BE{check:02}{number}"))
}

/// What a movement is, by the first digit of its transaction code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Booked, on its own.
    Simple,
    /// Booked as the sum of its parts.
    Total,
    /// A part of a total.
    Part,
    /// Says more about what is above it and moves nothing of its own.
    Explains,
}

/// A movement with what its further records say.
struct Movement {
    /// Its line in the file.
    at: usize,
    sequence: String,
    level: Level,
    is_structured: bool,
    communication: String,
    line: Line,
    /// What information records say in words, where the movement itself says nothing.
    information: String,
    /// Whether the last of them began with the other side's name: its address follows.
    is_address_next: bool,
}

/// A statement that is being read.
struct Open {
    account: String,
    currency: Currency,
    number: String,
    opening: Balance,
    /// What was booked last, and after it what it is made of.
    movements: Vec<Movement>,
    entries: usize,
    line_count: usize,
    sum: Minor,
    first_on: Option<NaiveDate>,
}

/// Where the reader is.
#[derive(Default)]
struct File {
    open: Option<Open>,
    /// Records since the header that the trailer counts.
    counted: usize,
    has_trailer: bool,
    statements: Vec<Statement>,
}

impl File {
    fn take(&mut self, record: &Record, sink: Sink<'_>) -> Result<(), Refused> {
        let kind = record.raw(1, 1);
        if !matches!(kind.as_str(), "0" | "4" | "9") {
            self.counted = self.counted.saturating_add(1);
        }
        match kind.as_str() {
            "0" => self.header(record),
            "1" => self.open(record),
            "2" | "3" => {
                let index = self.statements.len();
                let open = self.open.as_mut().ok_or_else(|| record.invalid(1, 1))?;
                if kind == "2" {
                    open.movement(record, &mut |line| sink(index, line))
                } else {
                    open.information(record)
                }
            }
            "4" => Ok(()),
            "8" => self.close(record, sink),
            "9" => self.trailer(record),
            _ => Err(record.invalid(1, 1)),
        }
    }

    fn header(&mut self, record: &Record) -> Result<(), Refused> {
        if self.open.is_some() {
            return Err(Refused::Incomplete { at: record.at(1) });
        }
        (self.counted, self.has_trailer) = (0, false);
        // Version 1 has other positions; no bank has sent it since 2009.
        if record.raw(WIDTH, WIDTH) == "2" { Ok(()) } else { Err(record.invalid(WIDTH, WIDTH)) }
    }

    fn open(&mut self, record: &Record) -> Result<(), Refused> {
        if self.open.is_some() {
            return Err(Refused::Incomplete { at: record.at(1) });
        }
        let (account, currency) = record.account(2, 6)?;
        let opening = Balance { amount: record.signed(43, currency)?, on: record.needed_day(59)? };
        let coded = record.text(126, 128);
        let number = if coded.is_empty() || coded == "000" { record.text(3, 5) } else { coded };
        self.open = Some(Open {
            account,
            currency,
            number,
            opening,
            movements: Vec::new(),
            entries: 0,
            line_count: 0,
            sum: Minor::ZERO,
            first_on: None,
        });
        Ok(())
    }

    fn close(&mut self, record: &Record, sink: Sink<'_>) -> Result<(), Refused> {
        let mut open = self.open.take().ok_or_else(|| record.invalid(1, 1))?;
        let closing = Balance { amount: record.signed(42, open.currency)?, on: record.needed_day(58)? };
        let index = self.statements.len();
        open.pass_on(&mut |line| sink(index, line))?;
        let mut statement = open.statement(closing);
        super::complete(&mut statement, &format!("statement {}", index.saturating_add(1)))?;
        self.statements.push(statement);
        Ok(())
    }

    fn trailer(&mut self, record: &Record) -> Result<(), Refused> {
        let counted = record.text(17, 22).parse::<usize>().unwrap_or_default();
        if self.open.is_some() || counted != self.counted {
            return Err(Refused::Incomplete { at: record.at(17) });
        }
        self.has_trailer = true;
        Ok(())
    }

    /// A file that was cut short is not the file that the bank made.
    fn end(self) -> Result<Vec<Statement>, Refused> {
        if self.statements.is_empty() && self.open.is_none() {
            return Err(Refused::NoStatement);
        }
        if self.has_trailer { Ok(self.statements) } else { Err(Refused::Incomplete { at: "the end".to_owned() }) }
    }
}

impl Open {
    fn movement(&mut self, record: &Record, sink: &mut dyn FnMut(Line)) -> Result<(), Refused> {
        match record.raw(2, 2).as_str() {
            "1" => {
                let movement = self.begun(record)?;
                if movement.is_booked() {
                    self.pass_on(sink)?;
                    self.entries = self.entries.saturating_add(1);
                }
                let entry = self.entries;
                self.movements.push(Movement { line: Line { entry, ..movement.line }, ..movement });
            }
            "2" => {
                let movement = self.last(record)?;
                movement.communication.push_str(&record.raw(11, 63));
                movement.line.end_to_end_id = some(record.text(64, 98)).filter(|id| !super::says_none(id));
                movement.line.is_reversal = !record.text(113, 113).is_empty() && record.text(113, 113) != "0";
                movement.line.return_reason = some(record.text(114, 117)).filter(|_| movement.line.is_reversal);
            }
            "3" => {
                let movement = self.last(record)?;
                let account: String = record.raw(11, 47).split_whitespace().next().unwrap_or_default().to_owned();
                movement.line.counterparty_iban = some(account.to_ascii_uppercase());
                movement.line.counterparty_name = some(record.text(48, 82));
                movement.communication.push_str(&record.raw(83, 125));
            }
            _ => return Err(record.invalid(2, 2)),
        }
        Ok(())
    }

    fn begun(&self, record: &Record) -> Result<Movement, Refused> {
        let level = match (record.raw(7, 10).as_str(), record.raw(54, 54).as_str()) {
            ("0000", "1" | "2") => Level::Total,
            ("0000", _) => Level::Simple,
            // Some banks keep the code of a single transfer (0) for the parts of a file.
            (_, "0" | "5" | "6" | "7") => Level::Part,
            _ => Level::Explains,
        };
        let valued_on = record.day(48)?;
        let booked_on = record.day(116)?.or(valued_on).ok_or_else(|| Refused::FieldMissing { at: record.at(116) })?;
        let line = Line {
            entry: 0,
            entry_reference: some(record.text(11, 31)),
            amount: record.signed(32, self.currency)?,
            booked_on,
            valued_on,
            bank_reference: some(record.text(11, 31)),
            bank_code: None,
            is_reversal: false,
            payment_id: None,
            end_to_end_id: None,
            creditor_reference: None,
            remittance: None,
            counterparty_name: None,
            counterparty_iban: None,
            return_reason: None,
        };
        Ok(Movement {
            at: record.line,
            sequence: record.raw(3, 6),
            level,
            is_structured: record.raw(62, 62) == "1",
            communication: record.raw(63, 115),
            line,
            information: String::new(),
            is_address_next: false,
        })
    }

    /// The movement that a further record belongs to.
    fn last(&mut self, record: &Record) -> Result<&mut Movement, Refused> {
        let last = self.movements.last_mut().filter(|last| last.sequence == record.raw(3, 6));
        last.ok_or_else(|| record.invalid(3, 6))
    }

    fn information(&mut self, record: &Record) -> Result<(), Refused> {
        let movement = self.last(record)?;
        let (first, last) = match (record.raw(2, 2).as_str(), record.raw(40, 43).as_str()) {
            ("1", "1001") => {
                let name = movement.line.counterparty_name.take();
                movement.line.counterparty_name = name.or_else(|| some(record.text(44, 113)));
                movement.is_address_next = true;
                return Ok(());
            }
            ("1", kind) => {
                movement.is_address_next = false;
                // A structured one has three digits before its text that say what it is.
                (if kind.starts_with('1') { 44 } else { 41 }, 113)
            }
            ("2", _) => (11, 115),
            ("3", _) => (11, 100),
            _ => return Err(record.invalid(2, 2)),
        };
        // Records are filled to their last position, in the middle of a word where it comes so.
        if !movement.is_address_next {
            movement.information.push_str(&record.raw(first, last));
        }
        Ok(())
    }

    /// Gives the lines of what was booked last to whoever takes them.
    fn pass_on(&mut self, sink: &mut dyn FnMut(Line)) -> Result<(), Refused> {
        let mut movements = std::mem::take(&mut self.movements).into_iter();
        let Some(booked) = movements.next() else { return Ok(()) };
        let details: Vec<Movement> = movements.collect();
        let stray = |it: &&Movement| it.sequence != booked.sequence;
        if let Some(stray) = Some(&booked).filter(|it| !it.is_booked()).or_else(|| details.iter().find(stray)) {
            let at = format!("line {}", stray.at);
            return Err(Refused::RecordInvalid { at, text: stray.sequence.clone() });
        }
        for line in booked.lines(details) {
            self.line_count = self.line_count.saturating_add(1);
            self.sum = self.sum.plus(line.amount).map_err(|_overflow| super::sum_out_of_range("movements"))?;
            self.first_on = Some(self.first_on.map_or(line.booked_on, |first| first.min(line.booked_on)));
            sink(line);
        }
        Ok(())
    }

    fn statement(self, closing: Balance) -> Statement {
        Statement {
            kind: Kind::Statement,
            // The number starts again every year, and not every bank gives one.
            id: format!("{}/{}", closing.on, self.number),
            sequence: self.number.parse().ok().filter(|number| *number > 0),
            account: self.account,
            currency: self.currency,
            from_on: self.first_on,
            to_on: Some(closing.on),
            opening: Some(self.opening),
            closing: Some(closing),
            line_count: self.line_count,
            sum: self.sum,
            lines: Vec::new(),
            unbooked_count: 0,
        }
    }
}

impl Movement {
    fn is_booked(&self) -> bool {
        matches!(self.level, Level::Simple | Level::Total)
    }

    /// The lines of what was booked: of a total one for each part, when the parts come to it; else one.
    fn lines(self, details: Vec<Self>) -> Vec<Line> {
        let amount = self.line.amount;
        let is_total = self.level == Level::Total;
        let parts = || details.iter().filter(|detail| detail.level == Level::Part);
        if is_total && Minor::sum(parts().map(|part| part.line.amount)) == Ok(amount) {
            let entry = self.line.entry;
            let parts = details.into_iter().filter(|detail| detail.level == Level::Part);
            return parts.map(|part| Line { entry, ..part.line() }).collect();
        }
        let mut line = self.line();
        // A simple amount with details keeps its amount, and what they know of the other side.
        for detail in details {
            let detail = detail.line();
            line.counterparty_name = line.counterparty_name.or(detail.counterparty_name);
            line.counterparty_iban = line.counterparty_iban.or(detail.counterparty_iban);
            line.end_to_end_id = line.end_to_end_id.or(detail.end_to_end_id);
            line.creditor_reference = line.creditor_reference.or(detail.creditor_reference);
            line.remittance = line.remittance.or(detail.remittance);
        }
        vec![line]
    }

    /// The line with its communication read.
    fn line(self) -> Line {
        let mut line = self.line;
        let told = self.communication;
        let text = if self.is_structured {
            let (kind, rest) = parted(&told, 3);
            if matches!(kind, "101" | "102") {
                let (reference, rest) = parted(rest, 12);
                line.creditor_reference = some(reference.trim().to_owned());
                rest.to_owned()
            } else {
                rest.to_owned()
            }
        } else {
            told
        };
        let one_line = |text: &str| some(text.split_whitespace().collect::<Vec<_>>().join(" "));
        line.remittance = one_line(&text).or_else(|| one_line(&self.information));
        line
    }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// The first `n` characters, and the rest.
fn parted(text: &str, n: usize) -> (&str, &str) {
    let at = text.char_indices().nth(n).map_or(text.len(), |(index, _)| index);
    text.split_at_checked(at).unwrap_or((text, ""))
}
