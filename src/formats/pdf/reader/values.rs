//! The values of a file, read one after the other.

use super::ReadError;

/// A value of the file; numbers other than whole ones are of no interest.
#[derive(Debug)]
pub(super) enum Value {
    Other,
    Int(usize),
    Name(Vec<u8>),
    Text(Vec<u8>),
    Array(Vec<Value>),
    Dict(Vec<(Vec<u8>, Value)>),
    Ref(usize),
}

impl Value {
    pub(super) fn get(&self, key: &[u8]) -> Option<&Self> {
        let Self::Dict(entries) = self else { return None };
        entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub(super) fn is_name(&self, name: &[u8]) -> bool {
        matches!(self, Self::Name(own) if own == name)
    }
}

/// Reads values one after the other.
pub(super) struct Parser<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) values: usize,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn starts_with(&self, what: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what))
    }

    /// Over white space and comments.
    pub(super) fn skip(&mut self) {
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
    pub(super) fn value(&mut self, depth: usize) -> Result<Option<Value>, ReadError> {
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
    pub(super) fn name(&mut self) -> Vec<u8> {
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
    pub(super) fn number(&mut self) -> Value {
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
