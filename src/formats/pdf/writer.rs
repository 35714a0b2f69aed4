//! The objects of a file and its bytes (ISO 32000-1, 7.5): values are written by [`Dict`], never by string templates.
//!
//! Streams stand alone; every other object goes into one compressed object stream, because a tagged document has an
//! object for each cell of its tables. Numbers are given in the order of asking, so equal documents are equal bytes.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::PdfError;

/// A number of an object of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ref(pub(super) usize);

/// A dictionary in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct Dict(Vec<u8>);

/// Text of a dictionary's own: UTF-16 with its mark, as hexadecimal digits.
fn utf16(text: &str) -> Vec<u8> {
    let mut bytes = vec![0xFE, 0xFF];
    bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    hexadecimal(&bytes)
}

/// `<0A1B>`.
fn hexadecimal(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
    let mut out = Vec::with_capacity(bytes.len() * 2 + 2);
    out.push(b'<');
    for byte in bytes {
        out.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    out.push(b'>');
    out
}

/// A name with every byte that is not plain written as `#` and two digits.
fn name(out: &mut Vec<u8>, name: &str) {
    out.push(b'/');
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b':') {
            out.push(byte);
        } else {
            // Writing into a Vec cannot fail.
            let _ = write!(out, "#{byte:02X}");
        }
    }
}

impl Dict {
    /// With its `Type`.
    pub(super) fn of(kind: &str) -> Self {
        Self::default().name("Type", kind)
    }

    fn entry(mut self, key: &str, value: &[u8]) -> Self {
        name(&mut self.0, key);
        self.0.push(b' ');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
        self
    }

    /// A name.
    pub(super) fn name(self, key: &str, value: &str) -> Self {
        let mut written = Vec::new();
        name(&mut written, value);
        self.entry(key, &written)
    }

    /// A whole number.
    pub(super) fn int(self, key: &str, value: i64) -> Self {
        self.entry(key, value.to_string().as_bytes())
    }

    /// How many.
    pub(super) fn count(self, key: &str, value: usize) -> Self {
        self.entry(key, value.to_string().as_bytes())
    }

    /// Yes or no.
    pub(super) fn flag(self, key: &str, value: bool) -> Self {
        self.entry(key, if value { b"true" } else { b"false" })
    }

    /// Text for people.
    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.entry(key, &utf16(value))
    }

    /// Bytes.
    pub(super) fn bytes(self, key: &str, value: &[u8]) -> Self {
        self.entry(key, &hexadecimal(value))
    }

    /// Another object.
    pub(super) fn refer(self, key: &str, to: Ref) -> Self {
        self.entry(key, format!("{} 0 R", to.0).as_bytes())
    }

    /// A dictionary within this one.
    pub(super) fn dict(self, key: &str, value: Self) -> Self {
        self.entry(key, &value.finish())
    }

    /// A list.
    pub(super) fn array(self, key: &str, value: Array) -> Self {
        self.entry(key, &value.finish())
    }

    /// `<< … >>`.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() + 6);
        out.extend_from_slice(b"<<\n");
        out.extend(self.0);
        out.extend_from_slice(b">>");
        out
    }
}

/// A list in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct Array(Vec<u8>);

impl Array {
    fn item(mut self, value: &[u8]) -> Self {
        self.0.push(if self.0.len() % 80 > 70 { b'\n' } else { b' ' });
        self.0.extend_from_slice(value);
        self
    }

    /// A whole number.
    pub(super) fn int(self, value: i64) -> Self {
        self.item(value.to_string().as_bytes())
    }

    /// A length of the page, in points.
    pub(super) fn length(self, value: super::Length) -> Self {
        let mut written = Vec::new();
        decimal(&mut written, value);
        self.item(&written)
    }

    /// Another object.
    pub(super) fn refer(self, to: Ref) -> Self {
        self.item(format!("{} 0 R", to.0).as_bytes())
    }

    /// Text for people.
    pub(super) fn text(self, value: &str) -> Self {
        self.item(&utf16(value))
    }

    /// Bytes.
    pub(super) fn bytes(self, value: &[u8]) -> Self {
        self.item(&hexadecimal(value))
    }

    /// A dictionary.
    pub(super) fn dict(self, value: Dict) -> Self {
        self.item(&value.finish())
    }

    /// A list within this one.
    pub(super) fn array(self, value: Self) -> Self {
        self.item(&value.finish())
    }

    fn finish(self) -> Vec<u8> {
        let mut out = vec![b'['];
        out.extend(self.0);
        out.extend_from_slice(b" ]");
        out
    }
}

/// A length as the file has it: points with at most two decimals, finer than any printer.
pub(super) fn decimal(out: &mut Vec<u8>, length: super::Length) {
    let hundredths = length / 10;
    let (sign, hundredths) =
        if hundredths < 0 { ("-", hundredths.unsigned_abs()) } else { ("", hundredths.unsigned_abs()) };
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    // Writing into a Vec cannot fail.
    let _ = match rest {
        0 => write!(out, "{sign}{whole}"),
        rest if rest % 10 == 0 => write!(out, "{sign}{whole}.{}", rest / 10),
        rest => write!(out, "{sign}{whole}.{rest:02}"),
    };
}

enum Body {
    Plain(Vec<u8>),
    /// The dictionary without its length, and the data as they stand in the file.
    Stream(Dict, Vec<u8>),
}

/// The file in the making.
#[derive(Default)]
pub(super) struct Writer {
    bodies: Vec<Option<Body>>,
}

impl Writer {
    /// A number for an object that is written later.
    pub(super) fn reserve(&mut self) -> Ref {
        self.bodies.push(None);
        Ref(self.bodies.len())
    }

    /// Writes an object under its number.
    pub(super) fn put(&mut self, at: Ref, dict: Dict) {
        self.set(at, Body::Plain(dict.finish()));
    }

    /// Writes an object under a new number.
    pub(super) fn add(&mut self, dict: Dict) -> Ref {
        let at = self.reserve();
        self.put(at, dict);
        at
    }

    /// Writes a stream, compressed.
    ///
    /// # Errors
    /// Only when the memory for it cannot be had.
    pub(super) fn stream(&mut self, dict: Dict, data: &[u8]) -> Result<Ref, PdfError> {
        let data = deflate(data)?;
        Ok(self.ready(dict.name("Filter", "FlateDecode"), data))
    }

    /// Writes a stream whose data are as the dictionary says.
    pub(super) fn ready(&mut self, dict: Dict, data: Vec<u8>) -> Ref {
        let at = self.reserve();
        self.set(at, Body::Stream(dict, data));
        at
    }

    fn set(&mut self, at: Ref, body: Body) {
        if let Some(place) = at.0.checked_sub(1).and_then(|index| self.bodies.get_mut(index)) {
            *place = Some(body);
        }
    }

    /// The bytes of the file; `id` is what tells it from every other.
    ///
    /// # Errors
    /// Only when the memory for it cannot be had.
    pub(super) fn finish(self, root: Ref, info: Ref, id: &[u8]) -> Result<Vec<u8>, PdfError> {
        let pack = self.bodies.len() + 1;
        let mut out = b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n".to_vec();
        // By number: free, at an offset, or in the pack at a place.
        let mut places = vec![[0_usize, 0, 0xFFFF]];
        let (mut heads, mut packed, mut count) = (Vec::new(), Vec::new(), 0_usize);
        for (index, body) in self.bodies.into_iter().enumerate() {
            let number = index + 1;
            match body {
                None => places.push([0, 0, 0xFFFF]),
                Some(Body::Plain(bytes)) => {
                    let _ = write!(heads, "{number} {} ", packed.len());
                    packed.extend(bytes);
                    packed.push(b'\n');
                    places.push([2, pack, count]);
                    count += 1;
                }
                Some(Body::Stream(dict, data)) => {
                    places.push([1, out.len(), 0]);
                    stream(&mut out, number, dict, &data);
                }
            }
        }
        places.push([1, out.len(), 0]);
        let dict = Dict::of("ObjStm").count("N", count).count("First", heads.len()).name("Filter", "FlateDecode");
        heads.extend(packed);
        stream(&mut out, pack, dict, &deflate(&heads)?);
        let start = out.len();
        places.push([1, start, 0]);
        let mut table = Vec::with_capacity(places.len() * 7);
        for [kind, place, index] in &places {
            table.push(u8::try_from(*kind).unwrap_or_default());
            table.extend(u32::try_from(*place).map_err(|_out_of_range| PdfError::TooLarge)?.to_be_bytes());
            table.extend(u16::try_from(*index).map_err(|_out_of_range| PdfError::TooLarge)?.to_be_bytes());
        }
        let dict = Dict::of("XRef")
            .count("Size", places.len())
            .refer("Root", root)
            .refer("Info", info)
            .array("ID", Array::default().bytes(id).bytes(id))
            .array("W", Array::default().int(1).int(4).int(2))
            .name("Filter", "FlateDecode");
        stream(&mut out, pack + 1, dict, &deflate(&table)?);
        let _ = write!(out, "startxref\n{start}\n%%EOF\n");
        Ok(out)
    }
}

fn stream(out: &mut Vec<u8>, number: usize, dict: Dict, data: &[u8]) {
    let _ = writeln!(out, "{number} 0 obj");
    out.extend(dict.count("Length", data.len()).finish());
    out.extend_from_slice(b"\nstream\n");
    out.extend_from_slice(data);
    // Two bytes: after data that end in a carriage return, a line feed alone would read as the second half of one end.
    out.extend_from_slice(b"\r\nendstream\nendobj\n");
}

/// Compressed bytes.
pub(super) fn deflate(data: &[u8]) -> Result<Vec<u8>, PdfError> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(data.len() / 2 + 64), Compression::new(6));
    encoder.write_all(data).map_err(PdfError::Write)?;
    encoder.finish().map_err(PdfError::Write)
}
