//! Statements as tables of text, in whatever columns a bank has: a profile says which column is what.

use std::io::BufRead;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Balance, Kind, Line, Refused, Sink, Statement, sum_out_of_range};
use crate::formats::safe_xml::{self, Limits, quoted};
use crate::kernel::money::{Currency, Minor};

/// How a bank writes dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DateForm {
    /// `2026-11-23`.
    YearMonthDay,
    /// `23/11/2026`, `23-11-2026` or `23.11.2026`.
    DayMonthYear,
    /// `11/23/2026`.
    MonthDayYear,
    /// `20261123`.
    Digits,
}

/// What separates the cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecimalSign {
    /// `1.234,56`.
    Comma,
    /// `1,234.56`.
    Point,
}

/// In which letters the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Letters {
    /// UTF-8.
    Utf8,
    /// Windows-1252, which holds ISO 8859-1.
    Latin,
}

/// Which column of a bank's table is what. Columns are named as in its header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvProfile {
    /// Between two fields; `;`, `,`, a tab or `|`.
    #[schema(min_length = 1, max_length = 1)]
    pub delimiter: String,
    /// In which letters it is written.
    pub letters: Letters,
    /// Rows before the header.
    #[schema(maximum = 50)]
    pub rows_before: u8,
    /// How dates are written.
    pub dates: DateForm,
    /// What separates the cents.
    pub decimals: DecimalSign,
    /// When the bank booked it.
    #[schema(max_length = 100)]
    pub booked_on: String,
    /// The amount with its sign; none where money in and out have a column each.
    #[schema(max_length = 100)]
    pub amount: Option<String>,
    /// Money that came in.
    #[schema(max_length = 100)]
    pub money_in: Option<String>,
    /// Money that went out, whatever its sign.
    #[schema(max_length = 100)]
    pub money_out: Option<String>,
    /// What stood on the account after the row.
    #[schema(max_length = 100)]
    pub balance: Option<String>,
    /// Who paid or was paid.
    #[schema(max_length = 100)]
    pub counterparty: Option<String>,
    /// Their account.
    #[schema(max_length = 100)]
    pub counterparty_account: Option<String>,
    /// The structured reference.
    #[schema(max_length = 100)]
    pub reference: Option<String>,
    /// The payer's name for the transfer.
    #[schema(max_length = 100)]
    pub end_to_end_id: Option<String>,
    /// The bank's own reference.
    #[schema(max_length = 100)]
    pub bank_reference: Option<String>,
    /// The free text, joined.
    #[schema(max_items = 10)]
    pub texts: Vec<String>,
}

/// A table with what it does not say itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvReading {
    /// Which column is what.
    pub profile: CsvProfile,
    /// Whose account it is.
    pub account: String,
    /// Of every amount.
    pub currency: Currency,
    /// What stood on the account after the last row; needed where no column says it.
    pub closing: Option<Minor>,
    /// What tells this file from others.
    pub name: String,
}

/// Where the columns of a profile stand in a file.
struct Columns {
    booked_on: usize,
    amount: Option<usize>,
    money_in: Option<usize>,
    money_out: Option<usize>,
    balance: Option<usize>,
    counterparty: Option<usize>,
    counterparty_account: Option<usize>,
    reference: Option<usize>,
    end_to_end_id: Option<usize>,
    bank_reference: Option<usize>,
    texts: Vec<usize>,
}

impl Columns {
    fn of(profile: &CsvProfile, header: &[String]) -> Result<Self, Refused> {
        let place = |name: &str| {
            let found = header.iter().position(|title| title.trim().eq_ignore_ascii_case(name.trim()));
            found.ok_or_else(|| Refused::FieldMissing { at: format!("column {name:?}") })
        };
        let maybe = |name: &Option<String>| name.as_deref().map(place).transpose();
        Ok(Self {
            booked_on: place(&profile.booked_on)?,
            amount: maybe(&profile.amount)?,
            money_in: maybe(&profile.money_in)?,
            money_out: maybe(&profile.money_out)?,
            balance: maybe(&profile.balance)?,
            counterparty: maybe(&profile.counterparty)?,
            counterparty_account: maybe(&profile.counterparty_account)?,
            reference: maybe(&profile.reference)?,
            end_to_end_id: maybe(&profile.end_to_end_id)?,
            bank_reference: maybe(&profile.bank_reference)?,
            texts: profile.texts.iter().map(|name| place(name)).collect::<Result<_, _>>()?,
        })
    }
}

/// What the running balances say: rows in the order of time, or the newest first.
struct Chain {
    rises: bool,
    falls: bool,
    first: Option<(Minor, Minor)>,
    last: Option<(Minor, Minor)>,
}

impl Chain {
    fn add(&mut self, amount: Minor, balance: Minor) {
        if let Some((before, balance_before)) = self.last {
            self.rises &= balance_before.plus(amount) == Ok(balance);
            self.falls &= balance.plus(before) == Ok(balance_before);
        }
        self.first.get_or_insert((amount, balance));
        self.last = Some((amount, balance));
    }

    /// Opening and closing, when the balances hold in one of the two orders.
    fn frame(&self) -> Option<(Minor, Minor)> {
        let ((first, after_first), (last, after_last)) = (self.first?, self.last?);
        if self.rises {
            return Some((after_first.minus(first).ok()?, after_last));
        }
        self.falls.then_some(())?;
        Some((after_last.minus(last).ok()?, after_first))
    }
}

/// The one statement of a table; `sink` takes its lines.
pub(super) fn statement(
    input: impl BufRead,
    of: &CsvReading,
    limits: Limits,
    sink: Sink<'_>,
) -> Result<Statement, Refused> {
    let delimiter = of.profile.delimiter.bytes().next().unwrap_or(b';');
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(input);
    let mut record = csv::ByteRecord::new();
    let (mut row, mut columns): (usize, Option<Columns>) = (0, None);
    let (mut line_count, mut sum) = (0_usize, Minor::ZERO);
    let mut days: Option<(NaiveDate, NaiveDate)> = None;
    let mut chain = Chain { rises: true, falls: true, first: None, last: None };
    loop {
        row = row.saturating_add(1);
        let at = format!("row {row}");
        let more = reader.read_byte_record(&mut record).map_err(|_broken| Refused::Incomplete { at: at.clone() })?;
        let read = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        if read > limits.bytes_max {
            return Err(safe_xml::Refused::TooLarge { bytes: read, bytes_max: limits.bytes_max }.into());
        }
        if !more {
            break;
        }
        if row <= usize::from(of.profile.rows_before) {
            continue;
        }
        let fields: Vec<String> = record.iter().map(|field| decoded(field, of.profile.letters)).collect();
        let Some(columns) = &columns else {
            columns = Some(Columns::of(&of.profile, &fields)?);
            continue;
        };
        if fields.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let (line, balance) = line(of, columns, &fields, &at)?;
        if let Some(balance) = balance {
            chain.add(line.amount, balance);
        }
        let on = line.booked_on;
        days = Some(days.map_or((on, on), |(first, last)| (first.min(on), last.max(on))));
        sum = sum.plus(line.amount).map_err(|_overflow| sum_out_of_range(&at))?;
        line_count = line_count.saturating_add(1);
        sink(0, Line { entry: line_count, ..line });
    }
    let Some((first, last)) = days else { return Err(Refused::NoStatement) };
    let frame = match (chain.last, of.closing) {
        (Some(_), _) => chain.frame(),
        (None, Some(closing)) => closing.minus(sum).ok().map(|opening| (opening, closing)),
        (None, None) => return Err(Refused::FieldMissing { at: "closing_minor".to_owned() }),
    };
    let Some((opening, closing)) = frame else {
        let (_, closing) = chain.last.unwrap_or_default();
        let at = "balance".to_owned();
        return Err(Refused::DoesNotBalance { at, opening: Minor::ZERO, entries: sum, closing, currency: of.currency });
    };
    Ok(Statement {
        kind: Kind::Statement,
        id: format!("{first}/{last} {}", of.name),
        sequence: None,
        account: of.account.clone(),
        currency: of.currency,
        from_on: Some(first),
        to_on: Some(last),
        opening: Some(Balance { amount: opening, on: first }),
        closing: Some(Balance { amount: closing, on: last }),
        line_count,
        sum,
        lines: Vec::new(),
        unbooked_count: 0,
    })
}

fn decoded(field: &[u8], letters: Letters) -> String {
    let encoding = match letters {
        Letters::Utf8 => encoding_rs::UTF_8,
        Letters::Latin => encoding_rs::WINDOWS_1252,
    };
    let (text, _) = encoding.decode_with_bom_removal(field);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A row, and what stood on the account after it.
fn line(of: &CsvReading, columns: &Columns, fields: &[String], at: &str) -> Result<(Line, Option<Minor>), Refused> {
    let profile = &of.profile;
    let field = |column: usize| fields.get(column).map_or("", String::as_str);
    let filled = |column: Option<usize>| column.map(field).filter(|text| !text.is_empty());
    let owned = |column: Option<usize>| filled(column).map(str::to_owned);
    let money = |column: usize| {
        amount(field(column), profile.decimals, of.currency)
            .ok_or_else(|| Refused::AmountInvalid { at: at.to_owned(), text: quoted(field(column)) })
    };
    let invalid = |text: &str| Refused::AmountInvalid { at: at.to_owned(), text: quoted(text) };
    let amount = match (columns.amount, filled(columns.money_in), filled(columns.money_out)) {
        (Some(column), ..) => money(column)?,
        (None, Some(_), None) => money(columns.money_in.unwrap_or_default())?,
        (None, None, Some(text)) => {
            let out = money(columns.money_out.unwrap_or_default())?;
            let size = if out < Minor::ZERO { out } else { out.negated().map_err(|_overflow| invalid(text))? };
            Minor::new(size.get())
        }
        // Some banks write a zero into the other column.
        (None, Some(_), Some(text)) => {
            let (into, out) =
                (money(columns.money_in.unwrap_or_default())?, money(columns.money_out.unwrap_or_default())?);
            match (into == Minor::ZERO, out == Minor::ZERO) {
                (_, true) => into,
                (true, false) if out < Minor::ZERO => out,
                (true, false) => out.negated().map_err(|_overflow| invalid(text))?,
                (false, false) => return Err(invalid(text)),
            }
        }
        (None, None, None) => return Err(Refused::FieldMissing { at: at.to_owned() }),
    };
    let balance = columns.balance.map(money).transpose()?;
    let text = columns.texts.iter().map(|column| field(*column)).filter(|text| !text.is_empty());
    let text = text.collect::<Vec<_>>().join(" ");
    let line = Line {
        entry: 0,
        entry_reference: owned(columns.bank_reference),
        amount,
        booked_on: date(field(columns.booked_on), profile.dates)
            .ok_or_else(|| Refused::DateInvalid { at: at.to_owned(), text: quoted(field(columns.booked_on)) })?,
        valued_on: None,
        bank_reference: owned(columns.bank_reference),
        bank_code: None,
        is_reversal: false,
        payment_id: None,
        end_to_end_id: owned(columns.end_to_end_id).filter(|id| !super::says_none(id)),
        creditor_reference: owned(columns.reference),
        remittance: Some(text).filter(|text| !text.is_empty()),
        counterparty_name: owned(columns.counterparty),
        counterparty_iban: owned(columns.counterparty_account)
            .map(|iban| iban.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect()),
        return_reason: None,
    };
    Ok((line, balance))
}

/// Whole minor units of an amount as people write it: signs before or after, groups of thousands, a currency beside it.
fn amount(text: &str, decimals: DecimalSign, currency: Currency) -> Option<Minor> {
    let (point, group) = match decimals {
        DecimalSign::Comma => (',', '.'),
        DecimalSign::Point => ('.', ','),
    };
    let mut digits = String::new();
    let mut after_point: Option<u32> = None;
    let mut is_negative = false;
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            after_point = after_point.map(|n| n.saturating_add(1));
        } else if c == point && after_point.is_none() {
            after_point = Some(0);
        } else if matches!(c, '-' | '\u{2212}') && !is_negative {
            is_negative = true;
        } else if !(c == group && after_point.is_none()
            || c.is_whitespace()
            || matches!(c, '\'' | '\u{a0}' | '+' | '€')
            || c.is_ascii_uppercase())
        {
            return None;
        }
    }
    let missing = currency.exponent().checked_sub(after_point.unwrap_or_default())?;
    if digits.is_empty() {
        return None;
    }
    digits.extend(std::iter::repeat_n('0', usize::try_from(missing).ok()?));
    let units: i64 = digits.parse().ok().filter(|units| *units <= Minor::LIMIT)?;
    Some(Minor::new(if is_negative { units.saturating_neg() } else { units }))
}

fn date(text: &str, form: DateForm) -> Option<NaiveDate> {
    if form == DateForm::Digits {
        return NaiveDate::parse_from_str(text.get(..8)?, "%Y%m%d").ok();
    }
    let day = text.split([' ', 'T']).next()?;
    let mut parts = day.split(['/', '-', '.']).map(str::parse::<u32>);
    let (first, second, third) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = match form {
        DateForm::YearMonthDay | DateForm::Digits => (first, second, third),
        DateForm::DayMonthYear => (third, second, first),
        DateForm::MonthDayYear => (third, first, second),
    };
    NaiveDate::from_ymd_opt(i32::try_from(year).ok().filter(|year| *year >= 1_000)?, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> CsvProfile {
        CsvProfile {
            delimiter: ";".into(),
            letters: Letters::Latin,
            rows_before: 2,
            dates: DateForm::DayMonthYear,
            decimals: DecimalSign::Comma,
            booked_on: "Datum".into(),
            amount: Some("Bedrag".into()),
            money_in: None,
            money_out: None,
            balance: Some("Saldo".into()),
            counterparty: Some("Naam".into()),
            counterparty_account: Some("Rekening".into()),
            reference: Some("Mededeling".into()),
            end_to_end_id: None,
            bank_reference: None,
            texts: vec!["Details".into()],
        }
    }

    fn reading(profile: CsvProfile, closing: Option<i64>) -> CsvReading {
        CsvReading {
            profile,
            account: "BE62510007547061".into(),
            currency: Currency::EUR,
            closing: closing.map(Minor::new),
            name: "abc".into(),
        }
    }

    fn read(text: &[u8], of: &CsvReading) -> Result<(Statement, Vec<Line>), Refused> {
        let mut lines = Vec::new();
        let statement = statement(text, of, Limits::FILE, &mut |_, line| lines.push(line))?;
        Ok((statement, lines))
    }

    const HEAD: &str = "Bank;X\r\nRekening BE62\r\nDatum;Bedrag;Saldo;Naam;Rekening;Mededeling;Details\r\n";

    #[test]
    fn a_table_is_read_in_either_order_of_time() {
        let older =
            "13/03/2026;1.210,00;1.310,00;Caf\u{e9} Nord;NL91 ABNA 0417 1643 00;+++123/4567/89002+++;\"dank; u\"\r\n";
        let newer = "14-03-2026;-10,5;1.299,50;;;;kosten\r\n";
        for rows in [format!("{HEAD}{older}{newer}"), format!("{HEAD}{newer}{older}")] {
            let latin: Vec<u8> = rows.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            let (statement, lines) = read(&latin, &reading(profile(), None)).unwrap();
            let frame = |balance: Option<Balance>| balance.unwrap().amount.get();
            assert_eq!((frame(statement.opening), frame(statement.closing)), (10_000, 129_950));
            let paid = lines.iter().find(|line| line.amount.get() == 121_000).unwrap();
            assert_eq!(paid.counterparty_name.as_deref(), Some("Café Nord"));
            assert_eq!(paid.counterparty_iban.as_deref(), Some("NL91ABNA0417164300"));
            assert_eq!(paid.remittance.as_deref(), Some("dank; u"));
            assert_eq!((statement.id.as_str(), lines.len()), ("2026-03-13/2026-03-14 abc", 2));
        }
        let gap = format!("{HEAD}{older}14-03-2026;-10,5;1.299,51;;;;x\r\n");
        assert!(matches!(read(gap.as_bytes(), &reading(profile(), None)), Err(Refused::DoesNotBalance { .. })));
    }

    #[test]
    fn without_running_balances_somebody_says_what_the_bank_shows() {
        let two = CsvProfile {
            delimiter: ",".into(),
            letters: Letters::Utf8,
            rows_before: 0,
            dates: DateForm::YearMonthDay,
            decimals: DecimalSign::Point,
            amount: None,
            money_in: Some("In".into()),
            money_out: Some("Out".into()),
            balance: None,
            counterparty: None,
            counterparty_account: None,
            reference: None,
            booked_on: "date".into(),
            texts: Vec::new(),
            ..profile()
        };
        let text = "\u{feff}Date,In,Out\n2026-03-13,\"1,000.00\",\n2026-03-13T08:00:00,,20\n2026-03-14,0.00,-5.5\n\n";
        let (statement, lines) = read(text.as_bytes(), &reading(two.clone(), Some(100_000))).unwrap();
        assert_eq!(lines.iter().map(|line| line.amount.get()).collect::<Vec<_>>(), [100_000, -2_000, -550]);
        assert_eq!(statement.opening.unwrap().amount.get(), 2_550);
        let unsaid = read(text.as_bytes(), &reading(two.clone(), None)).unwrap_err();
        assert_eq!(unsaid, Refused::FieldMissing { at: "closing_minor".into() });
        for (from, to, code) in [
            ("1,000.00", "1,000.000", "statement_amount_invalid"),
            ("1,000.00", "1 EUR 0x", "statement_amount_invalid"),
            ("2026-03-13,\"", "2026-02-30,\"", "statement_date_invalid"),
            ("Out", "Uit", "statement_field_missing"),
            ("2026-03-14,0.00,-5.5", "2026-03-14,,", "statement_field_missing"),
        ] {
            let refused = read(text.replacen(from, to, 1).as_bytes(), &reading(two.clone(), Some(0))).unwrap_err();
            assert_eq!(refused.code(), code, "{to}");
        }
        assert_eq!(read(b"Date,In,Out\n", &reading(two, Some(0))).unwrap_err(), Refused::NoStatement);
    }
}
