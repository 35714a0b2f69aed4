//! The XML of an invoice out of a PDF of a stranger (Factur-X, `ZUGFeRD`, `XRechnung`).
//!
//! Built for hostile files, so it is no reader of PDF: it walks once over the bytes, looks at each object for a file
//! specification with one of the known names, and inflates object streams and that one file, nothing else. Tables of
//! offsets are not believed, and so cannot mislead. Work is linear in the size of the file; what is inflated, the depth
//! of values and their number have budgets for the whole file. Pages, pictures and fonts are never looked at.

#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

use self::values::{Parser, Value};

/// The largest file that is read.
pub const LARGEST_FILE: usize = 20 * 1024 * 1024;
/// The largest XML that is handed out.
pub const LARGEST_XML: usize = 8 * 1024 * 1024;
/// The most that is inflated of one file in all.
const INFLATED: usize = 24 * 1024 * 1024;
/// Values within values.
const DEPTH: usize = 24;
/// Values looked at in one file.
const VALUES: usize = 4_000_000;
/// The names under which the XML of an invoice travels, in small letters.
const NAMES: [&str; 4] = ["factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml", "cii.xml"];

/// Why there is no XML to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not a PDF file.
    #[error("the file is not a PDF")]
    NotPdf,
    /// The file, or what would come out of it, is too large.
    #[error("the file, or what is compressed in it, is too large")]
    TooLarge,
    /// Values are nested too deep, or there are too many.
    #[error("the file is built of too many parts")]
    TooManyParts,
    /// The file is encrypted.
    #[error("the file is encrypted")]
    Encrypted,
    /// No file with a known name is in it.
    #[error("there is no invoice as XML in the file")]
    NoInvoice,
    /// Two different ones are in it.
    #[error("there are different invoices as XML in the file")]
    Ambiguous,
    /// The XML is there and cannot be read.
    #[error("the file is damaged")]
    Damaged,
}

/// The XML of an invoice, as it was in the PDF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceXml {
    /// The name of the file.
    pub name: String,
    /// Its bytes, not yet looked at.
    pub bytes: Vec<u8>,
}

/// Finds the XML of an invoice in a PDF.
///
/// # Errors
/// Why there is none.
pub fn invoice_xml(file: &[u8]) -> Result<InvoiceXml, ReadError> {
    if file.len() > LARGEST_FILE {
        return Err(ReadError::TooLarge);
    }
    let head = file.get(..file.len().min(1_024)).unwrap_or_default();
    if find(head, b"%PDF-", 0).is_none() {
        return Err(ReadError::NotPdf);
    }
    let mut reader = Reader { file, objects: index(file), left: INFLATED, values: VALUES, found: Vec::new() };
    reader.look()?;
    let mut invoice: Option<InvoiceXml> = None;
    for (name, number) in std::mem::take(&mut reader.found) {
        let xml = reader.embedded(number);
        // An encrypted file has its plain objects where they are, and nothing in them that can be read.
        let bytes = xml.map_err(|error| if is_encrypted(file) { ReadError::Encrypted } else { error })?;
        match &invoice {
            Some(known) if known.bytes != bytes => return Err(ReadError::Ambiguous),
            Some(_) => {}
            None => invoice = Some(InvoiceXml { name, bytes }),
        }
    }
    let missing = if is_encrypted(file) { ReadError::Encrypted } else { ReadError::NoInvoice };
    invoice.ok_or(missing)
}

fn is_encrypted(file: &[u8]) -> bool {
    find(file, b"/Encrypt", 0).is_some()
}

/// Where `what` begins, at or after `from`.
fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let first = *what.first()?;
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == first)?;
        if bytes.get(at..)?.starts_with(what) {
            return Some(at);
        }
        at += 1;
    }
}

/// Where the value of each object begins, by its number; what stands later in the file holds.
fn index(file: &[u8]) -> BTreeMap<usize, usize> {
    let mut objects = BTreeMap::new();
    let mut at = 0;
    // Where the next of each word is: looked for again only when passed, so that the work stays linear.
    let mut stream = find(file, b"stream", 0);
    let mut end = find(file, b"endobj", 0);
    let mut has_ends = true;
    while let Some(word) = find(file, b"obj", at) {
        at = word + 3;
        let Some(number) = number_before(file, word) else { continue };
        objects.insert(number, at);
        for (place, word) in [(&mut stream, b"stream"), (&mut end, b"endobj")] {
            if place.is_some_and(|place| place < at) {
                *place = find(file, word, at);
            }
        }
        let Some(begin) = stream.filter(|begin| has_ends && end.is_none_or(|end| *begin < end)) else { continue };
        // What is in a stream is no object, whatever it looks like.
        let said = length_said(file.get(at..begin).unwrap_or_default());
        let after = said.and_then(|length| begin.checked_add(length)).filter(|after| *after < file.len());
        let near =
            |after: usize| find(file.get(..(after + 32).min(file.len())).unwrap_or_default(), b"endstream", after);
        match after.and_then(near).or_else(|| find(file, b"endstream", begin)) {
            Some(end) => at = end + 9,
            None => has_ends = false,
        }
    }
    objects
}

/// The number in `12 0 obj`, whose last word begins at `at`.
fn number_before(file: &[u8], at: usize) -> Option<usize> {
    let before = file.get(at.saturating_sub(24)..at)?;
    let text =
        std::str::from_utf8(before.get(before.iter().rposition(|byte| !is_plain(*byte)).map_or(0, |it| it + 1)..)?)
            .ok()?;
    let mut words = text.split_ascii_whitespace().rev();
    let (_, number) = (words.next()?.parse::<u16>().ok()?, words.next()?);
    number.parse().ok().filter(|number| *number < 10_000_000)
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_whitespace()
}

/// The length that a dictionary gives directly.
fn length_said(dict: &[u8]) -> Option<usize> {
    let at = find(dict, b"/Length", 0)? + 7;
    let rest = dict.get(at..)?;
    let text =
        std::str::from_utf8(rest.get(..rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len()))?).ok()?;
    let mut words = text.split_ascii_whitespace();
    let length = words.next()?.parse().ok()?;
    words.next().is_none().then_some(length)
}

struct Reader<'a> {
    file: &'a [u8],
    objects: BTreeMap<usize, usize>,
    /// What may still be inflated.
    left: usize,
    /// How many values may still be looked at.
    values: usize,
    /// File specifications with a known name, and the number of their stream.
    found: Vec<(String, usize)>,
}

impl Reader<'_> {
    /// Looks at every object, also at those in object streams.
    fn look(&mut self) -> Result<(), ReadError> {
        let places: Vec<usize> = self.objects.values().copied().collect();
        for at in places {
            let mut parser = Parser { bytes: self.file, at, values: self.values };
            let value = parser.value(DEPTH);
            self.values = parser.values;
            let after = parser.at;
            let Some(value) = value? else { continue };
            self.specifications(&value);
            if value.get(b"Type").is_some_and(|kind| kind.is_name(b"ObjStm"))
                && let Some(data) = self.data(&value, after)
            {
                self.packed(&value, data)?;
            }
        }
        Ok(())
    }

    /// Looks at the objects within an object stream. One that cannot be read has none.
    fn packed(&mut self, dict: &Value, data: &[u8]) -> Result<(), ReadError> {
        let (Some(Value::Int(count)), Some(Value::Int(first))) = (dict.get(b"N"), dict.get(b"First")) else {
            return Ok(());
        };
        let bytes = match self.plain(dict, data, INFLATED) {
            Err(ReadError::Damaged) => return Ok(()),
            other => other?,
        };
        let mut heads = Parser { bytes: &bytes, at: 0, values: self.values };
        for _ in 0..*count {
            let (Some(Value::Int(_)), Some(Value::Int(offset))) = (heads.value(1)?, heads.value(1)?) else { break };
            let Some(at) = first.checked_add(offset) else { break };
            let mut parser = Parser { bytes: &bytes, at, values: heads.values };
            let value = parser.value(DEPTH)?;
            heads.values = parser.values;
            if let Some(value) = value {
                self.specifications(&value);
            }
        }
        self.values = heads.values;
        Ok(())
    }

    /// Keeps the file specifications with a known name, wherever they are in a value.
    fn specifications(&mut self, value: &Value) {
        match value {
            Value::Dict(entries) => {
                let stream = value.get(b"EF").and_then(|files| files.get(b"UF").or_else(|| files.get(b"F")));
                let name = [value.get(b"UF"), value.get(b"F")].into_iter().flatten().find_map(known_name);
                if let (Some(Value::Ref(number)), Some(name)) = (stream, name) {
                    self.found.push((name, *number));
                }
                for (_, value) in entries {
                    self.specifications(value);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.specifications(value)),
            Value::Other | Value::Int(_) | Value::Name(_) | Value::Text(_) | Value::Ref(_) => {}
        }
    }

    /// The bytes of an embedded file.
    fn embedded(&mut self, number: usize) -> Result<Vec<u8>, ReadError> {
        let at = *self.objects.get(&number).ok_or(ReadError::Damaged)?;
        let mut parser = Parser { bytes: self.file, at, values: self.values };
        let dict = parser.value(DEPTH)?.ok_or(ReadError::Damaged)?;
        let data = self.data(&dict, parser.at).ok_or(ReadError::Damaged)?;
        self.plain(&dict, data, LARGEST_XML)
    }

    /// What is in a stream, at most `limit` of it.
    fn plain(&mut self, dict: &Value, data: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        let filters = match dict.get(b"Filter") {
            Some(Value::Array(filters)) => filters.as_slice(),
            Some(filter) => std::slice::from_ref(filter),
            None => &[],
        };
        let is_flate = |filter: &Value| filter.is_name(b"FlateDecode") || filter.is_name(b"Fl");
        // Predictors are for pictures and tables of offsets.
        if !filters.iter().all(is_flate) || dict.get(b"DecodeParms").is_some() && !filters.is_empty() {
            return Err(ReadError::Damaged);
        }
        match filters.len() {
            0 if data.len() > limit.min(self.left) => Err(ReadError::TooLarge),
            0 => Ok(data.to_vec()),
            1 => self.inflated(data, limit),
            // Compressed twice for the sake of its last byte; more than that is a bomb.
            2 => self.inflated(data, limit).and_then(|once| self.inflated(&once, limit)),
            _ => Err(ReadError::Damaged),
        }
    }

    /// What compressed bytes hold, at most `limit` of it.
    fn inflated(&mut self, data: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        let limit = limit.min(self.left);
        let mut bytes = Vec::new();
        let allowed = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let inflated = ZlibDecoder::new(data).take(allowed).read_to_end(&mut bytes);
        self.left = self.left.saturating_sub(bytes.len());
        if bytes.len() > limit {
            return Err(ReadError::TooLarge);
        }
        inflated.map(|_| bytes).map_err(|_why| ReadError::Damaged)
    }
}

impl<'a> Reader<'a> {
    /// The bytes of a stream as they are in the file; `after` is where its dictionary ended.
    fn data(&self, dict: &Value, after: usize) -> Option<&'a [u8]> {
        let mut parser = Parser { bytes: self.file, at: after, values: 1 };
        parser.skip();
        let rest = self.file.get(parser.at..)?.strip_prefix(b"stream")?;
        let rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")).unwrap_or(rest);
        let length = match dict.get(b"Length") {
            Some(Value::Int(length)) => Some(*length),
            Some(Value::Ref(number)) => self.objects.get(number).and_then(|at| {
                match (Parser { bytes: self.file, at: *at, values: 2 }).value(1) {
                    Ok(Some(Value::Int(length))) => Some(length),
                    _ => None,
                }
            }),
            _ => None,
        };
        let ends_there = |length: &usize| {
            rest.get(*length..).is_some_and(|after| after.trim_ascii_start().starts_with(b"endstream"))
        };
        let said = length.filter(ends_there);
        let data = rest.get(..said.or_else(|| find(rest, b"endstream", 0))?)?;
        let without_end = |data: &'a [u8]| {
            let data = data.strip_suffix(b"\n").unwrap_or(data);
            data.strip_suffix(b"\r").unwrap_or(data)
        };
        Some(if said.is_some() { data } else { without_end(data) })
    }
}

/// The name of a file, when it is one of those we look for.
fn known_name(value: &Value) -> Option<String> {
    let Value::Text(bytes) = value else { return None };
    if bytes.len() > 512 {
        return None;
    }
    let name = match bytes.strip_prefix(b"\xFE\xFF") {
        Some(units) => {
            String::from_utf16(&units.as_chunks().0.iter().copied().map(u16::from_be_bytes).collect::<Vec<_>>()).ok()?
        }
        None => String::from_utf8(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).to_vec()).ok()?,
    };
    NAMES.contains(&name.to_lowercase().as_str()).then_some(name)
}
