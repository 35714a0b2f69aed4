//! The XML of an invoice out of a PDF of a stranger (Factur-X, `ZUGFeRD`, `XRechnung`).
//!
//! Built for hostile files, so it is no reader of PDF: it walks once over the bytes, looks at each object for a file
//! specification with one of the known names, and inflates object streams and that one file, nothing else. Tables of
//! offsets are not believed, and so cannot mislead. Work is linear in the size of the file; what is inflated, the depth
//! of values and their number have budgets for the whole file. Pages, pictures and fonts are never looked at.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

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

/// A value of the file; numbers other than whole ones are of no interest.
#[derive(Debug)]
enum Value {
    Other,
    Int(usize),
    Name(Vec<u8>),
    Text(Vec<u8>),
    Array(Vec<Value>),
    Dict(Vec<(Vec<u8>, Value)>),
    Ref(usize),
}

impl Value {
    fn get(&self, key: &[u8]) -> Option<&Self> {
        let Self::Dict(entries) = self else { return None };
        entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn is_name(&self, name: &[u8]) -> bool {
        matches!(self, Self::Name(own) if own == name)
    }
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
        let filter = match dict.get(b"Filter") {
            Some(Value::Array(filters)) if filters.len() <= 1 => filters.first(),
            Some(Value::Array(_)) => return Err(ReadError::Damaged),
            other => other,
        };
        let limit = limit.min(self.left);
        let Some(filter) = filter else {
            return if data.len() > limit { Err(ReadError::TooLarge) } else { Ok(data.to_vec()) };
        };
        // Predictors are for pictures and tables of offsets.
        if !filter.is_name(b"FlateDecode") && !filter.is_name(b"Fl") || dict.get(b"DecodeParms").is_some() {
            return Err(ReadError::Damaged);
        }
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

/// Reads values one after the other.
struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn starts_with(&self, what: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what))
    }

    /// Over white space and comments.
    fn skip(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                0 | b'\t' | b'\n' | 12 | b'\r' | b' ' => self.at += 1,
                b'%' => {
                    while self.peek().is_some_and(|byte| !matches!(byte, b'\n' | b'\r')) {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// The value at hand; none where there is none.
    fn value(&mut self, depth: usize) -> Result<Option<Value>, ReadError> {
        self.values = self.values.checked_sub(1).ok_or(ReadError::TooManyParts)?;
        self.skip();
        let Some(byte) = self.peek() else { return Ok(None) };
        let inner = || depth.checked_sub(1).ok_or(ReadError::TooManyParts);
        Ok(match byte {
            b'<' if self.starts_with(b"<<") => Some(self.dict(inner()?)?),
            b'<' => Some(self.hexadecimal()),
            b'(' => Some(self.literal()),
            b'[' => Some(self.array(inner()?)?),
            b'/' => Some(Value::Name(self.name())),
            b'0'..=b'9' | b'+' | b'-' | b'.' => Some(self.number()),
            b'a'..=b'z' => {
                let word = self.word();
                matches!(word, b"true" | b"false" | b"null").then_some(Value::Other)
            }
            _ => None,
        })
    }

    fn word(&mut self) -> &[u8] {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            self.at += 1;
        }
        self.bytes.get(from..self.at).unwrap_or_default()
    }

    fn dict(&mut self, depth: usize) -> Result<Value, ReadError> {
        self.at += 2;
        let mut entries = Vec::new();
        loop {
            self.skip();
            if self.starts_with(b">>") {
                self.at += 2;
                return Ok(Value::Dict(entries));
            }
            if self.peek() != Some(b'/') {
                return Ok(Value::Dict(entries));
            }
            let key = self.name();
            let Some(value) = self.value(depth)? else { return Ok(Value::Dict(entries)) };
            entries.push((key, value));
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, ReadError> {
        self.at += 1;
        let mut values = Vec::new();
        loop {
            self.skip();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(Value::Array(values));
            }
            let Some(value) = self.value(depth)? else { return Ok(Value::Array(values)) };
            values.push(value);
        }
    }

    /// A name, with `#41` as the letter it stands for.
    fn name(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut name = Vec::new();
        while let Some(byte) = self.peek() {
            if byte.is_ascii_whitespace()
                || matches!(byte, 0 | b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
            {
                break;
            }
            self.at += 1;
            let digits = self.bytes.get(self.at..self.at + 2).and_then(|two| std::str::from_utf8(two).ok());
            match digits.filter(|_| byte == b'#').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(letter) => {
                    name.push(letter);
                    self.at += 2;
                }
                None => name.push(byte),
            }
        }
        name
    }

    /// A number, or a reference when two more words make it one.
    fn number(&mut self) -> Value {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')) {
            self.at += 1;
        }
        let text = self.bytes.get(from..self.at).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
        let Ok(number) = text.parse() else { return Value::Other };
        let after = self.at;
        self.skip();
        let generation = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > generation && self.at - generation <= 5 {
            self.skip();
            if self.peek() == Some(b'R') {
                self.at += 1;
                return Value::Ref(number);
            }
        }
        self.at = after;
        Value::Int(number)
    }

    fn hexadecimal(&mut self) -> Value {
        self.at += 1;
        let mut digits = Vec::new();
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == b'>' {
                break;
            }
            digits.extend(char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
        }
        if digits.len() % 2 == 1 {
            digits.push(0);
        }
        Value::Text(digits.as_chunks().0.iter().map(|[high, low]| high * 16 + low).collect())
    }

    fn literal(&mut self) -> Value {
        self.at += 1;
        let (mut text, mut open) = (Vec::new(), 1_usize);
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => {
                    let next = self.peek().unwrap_or_default();
                    let mut digits = 0_u32;
                    let octal = self.bytes.get(self.at..).unwrap_or_default().iter().take(3);
                    let count = octal
                        .take_while(|byte| (b'0'..=b'7').contains(byte))
                        .map(|byte| digits = digits * 8 + u32::from(byte - b'0'))
                        .count();
                    if count > 0 {
                        self.at += count;
                        text.push(u8::try_from(digits % 256).unwrap_or_default());
                        continue;
                    }
                    self.at += 1;
                    match next {
                        b'n' => text.push(b'\n'),
                        b'r' => text.push(b'\r'),
                        b't' => text.push(b'\t'),
                        b'\n' | b'\r' => {}
                        other => text.push(other),
                    }
                    continue;
                }
                b'(' => open += 1,
                b')' => {
                    open -= 1;
                    if open == 0 {
                        break;
                    }
                }
                _ => {}
            }
            text.push(byte);
        }
        Value::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// A file with one embedded file of `name`, its dictionary and its bytes given.
    fn with(name: &str, dict: &str, data: &[u8]) -> Vec<u8> {
        let mut file = format!(
            "%PDF-1.7\n1 0 obj\n<</Type/Filespec/F({name})/EF<</F 2 0 R>>>>\nendobj\n2 0 obj\n<<{dict}>>\nstream\n"
        )
        .into_bytes();
        file.extend_from_slice(data);
        file.extend_from_slice(b"\nendstream\nendobj\ntrailer<</Root 1 0 R>>\n%%EOF\n");
        file
    }

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_xml_is_found_by_its_name_plain_or_compressed() {
        for name in ["factur-x.xml", "ZUGFeRD-invoice.xml", "xrechnung.xml", "factur\\055x.xml"] {
            assert_eq!(invoice_xml(&with(name, "/Length 4", b"<a/>")).unwrap().bytes, b"<a/>", "{name}");
        }
        let data = deflated(b"<a/>");
        let said = format!("/Filter/FlateDecode/Length {}", data.len());
        for dict in [said.as_str(), "/Filter[/FlateDecode]/Length 99999", "/Filter/Fl#61teDecode"] {
            assert_eq!(invoice_xml(&with("factur-x.xml", dict, &data)).unwrap().bytes, b"<a/>", "{dict}");
        }
    }

    #[test]
    fn a_file_without_it_says_why() {
        assert_eq!(invoice_xml(b"<?xml?>"), Err(ReadError::NotPdf));
        assert_eq!(invoice_xml(&with("photo.xml", "/Length 4", b"<a/>")), Err(ReadError::NoInvoice));
        assert_eq!(invoice_xml(&vec![b' '; LARGEST_FILE + 1]), Err(ReadError::TooLarge));
        let other = with("factur-x.xml", "/Filter/LZWDecode", b"abc");
        assert_eq!(invoice_xml(&other), Err(ReadError::Damaged));
        let mut locked = other;
        locked.extend(b"trailer<</Encrypt 9 0 R>>");
        assert_eq!(invoice_xml(&locked), Err(ReadError::Encrypted));
        let mut two = with("factur-x.xml", "/Length 4", b"<a/>");
        two.extend(
            b"3 0 obj<</F(factur-x.xml)/EF<</F 4 0 R>>>>endobj 4 0 obj<</Length 4>>stream\n<b/>\nendstream endobj",
        );
        assert_eq!(invoice_xml(&two), Err(ReadError::Ambiguous));
    }

    #[test]
    fn bombs_are_not_inflated() {
        let bomb = deflated(&vec![b' '; 100 * 1024 * 1024]);
        assert!(bomb.len() < 200_000);
        let dict = "/Filter/FlateDecode";
        assert_eq!(invoice_xml(&with("factur-x.xml", dict, &bomb)), Err(ReadError::TooLarge));
        // Pages and pictures are nobody's business.
        let mut page = with("factur-x.xml", "/Length 4", b"<a/>");
        let mut put = |dict: &str, times: usize| {
            for number in 0..times {
                writeln!(page, "{} 0 obj<<{dict}/Filter/FlateDecode/Length {}>>stream", 10 + number, bomb.len())
                    .unwrap();
                page.extend_from_slice(&bomb);
                page.extend_from_slice(b"\nendstream endobj\n");
            }
            invoice_xml(&page).map(|it| it.bytes)
        };
        assert_eq!(put("/Subtype/Image", 5), Ok(b"<a/>".to_vec()));
        assert_eq!(put("/Type/ObjStm/N 9/First 9", 5), Err(ReadError::TooLarge));
    }

    #[test]
    fn deep_and_endless_files_are_refused_or_passed_over() {
        let deep = |what: &[u8]| [b"%PDF-1.7 1 0 obj ".as_slice(), &what.repeat(1_000_000)].concat();
        assert_eq!(invoice_xml(&deep(b"[")), Err(ReadError::TooManyParts));
        assert_eq!(invoice_xml(&deep(b"<</A ")), Err(ReadError::TooManyParts));
        for what in [b"1 0 obj ".as_slice(), b"stream ", b"9 0 obj<<>>stream\n", b"0 ", b"(", b"/A", b"obj", b"%"] {
            let _ = invoice_xml(&deep(what));
        }
    }

    proptest! {
        #[test]
        fn damaged_files_never_end_the_program(
            places in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..12), cut in any::<u16>(), junk in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let data = deflated(b"<a/>");
            let mut file = with("factur-x.xml", "/Filter/FlateDecode/Length 12", &data);
            file.extend(with("factur-x.xml", "/Type/ObjStm/N 1/First 4/Length 30", b"7 0 <</F(factur-x.xml)/EF<</F 2 0 R>>>>"));
            let length = file.len();
            for (at, value) in places {
                file[usize::from(at) % length] = value;
            }
            let _ = invoice_xml(&file);
            let _ = invoice_xml(&file[..usize::from(cut) % length]);
            let _ = invoice_xml(&[b"%PDF-".as_slice(), &junk].concat());
        }
    }
}
