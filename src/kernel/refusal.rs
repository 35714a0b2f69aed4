//! A "no" with a reason: what every rulebook answers when it does not agree.

/// How a refusal is meant; decides the HTTP status in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The state of things does not allow it now (409).
    State,
    /// A value is not acceptable (422).
    Value,
    /// This person may not do it (403).
    Forbidden,
}

/// A field that was not acceptable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRefusal {
    /// JSON pointer (RFC 6901) into the body.
    pub pointer: String,
    /// Stable code from the catalogues.
    pub code: &'static str,
    /// Values for the text.
    pub params: Vec<(&'static str, String)>,
}

/// Why a command was refused: a stable code, and the values that its text names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}")]
pub struct Refusal {
    /// How it is meant.
    pub kind: RefusalKind,
    /// Stable code from the catalogues.
    pub code: &'static str,
    /// Values for the text.
    pub params: Vec<(&'static str, String)>,
    /// The fields concerned, all of them at once.
    pub fields: Vec<FieldRefusal>,
}

impl Refusal {
    fn new(kind: RefusalKind, code: &'static str) -> Self {
        Self { kind, code, params: Vec::new(), fields: Vec::new() }
    }

    /// Refused by the state of things.
    #[must_use]
    pub fn state(code: &'static str) -> Self {
        Self::new(RefusalKind::State, code)
    }

    /// Refused because of a value.
    #[must_use]
    pub fn value(code: &'static str) -> Self {
        Self::new(RefusalKind::Value, code)
    }

    /// Refused to this person.
    #[must_use]
    pub fn forbidden(code: &'static str) -> Self {
        Self::new(RefusalKind::Forbidden, code)
    }

    /// Refused because one field is not acceptable.
    #[must_use]
    pub fn field(pointer: impl Into<String>, code: &'static str) -> Self {
        let mut checks = Checks::default();
        checks.refuse(pointer, code);
        Self { fields: checks.fields, ..Self::new(RefusalKind::Value, "validation_failed") }
    }

    /// Names a value that the text shows.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.params.push((name, value.to_string()));
        self
    }

    /// Names the field that it is about.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.fields.push(FieldRefusal { pointer: pointer.into(), code: "not_allowed", params: Vec::new() });
        self
    }
}

/// Collects everything that is wrong with a body, so that a person mends it once.
#[derive(Debug, Default)]
pub struct Checks {
    fields: Vec<FieldRefusal>,
}

impl Checks {
    /// Notes that a field is not acceptable.
    pub fn refuse(&mut self, pointer: impl Into<String>, code: &'static str) {
        self.fields.push(FieldRefusal { pointer: pointer.into(), code, params: Vec::new() });
    }

    /// Notes that a field is not acceptable unless `holds`.
    pub fn require(&mut self, holds: bool, pointer: &str, code: &'static str) {
        if !holds {
            self.refuse(pointer, code);
        }
    }

    /// A text of people: trimmed length within bounds, no control and no direction-changing characters.
    pub fn text(&mut self, value: &str, pointer: &str, min: usize, max: usize) {
        let length = value.trim().chars().count();
        if length < min {
            self.refuse(pointer, if length == 0 { "required" } else { "too_short" });
        } else if value.chars().count() > max {
            self.refuse(pointer, "too_long");
        } else if value.chars().any(is_hostile) {
            self.refuse(pointer, "not_allowed");
        }
    }

    /// Parses a value, or notes that it cannot be.
    pub fn parse<T, E>(&mut self, parsed: Result<T, E>, pointer: &str, code: &'static str) -> Option<T> {
        let value = parsed.ok();
        self.require(value.is_some(), pointer, code);
        value
    }

    /// Takes over what another collection found. Answers whether that was nothing.
    pub fn absorb(&mut self, other: Self) -> bool {
        let is_clean = other.fields.is_empty();
        self.fields.extend(other.fields);
        is_clean
    }

    /// Everything found, or nothing.
    pub fn done(self) -> Result<(), Refusal> {
        if self.fields.is_empty() {
            Ok(())
        } else {
            Err(Refusal { fields: self.fields, ..Refusal::value("validation_failed") })
        }
    }
}

/// Control characters (but for line breaks and tabs) and characters that change the reading direction.
fn is_hostile(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\r' && c != '\t')
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let mut checks = Checks::default();
        checks.text("", "/name", 1, 10);
        checks.text("a\u{202E}b", "/title", 1, 10);
        checks.text("ok", "/town", 1, 10);
        checks.text("long enough", "/street", 1, 5);
        let refusal = checks.done().unwrap_err();
        let found: Vec<_> = refusal.fields.iter().map(|field| (field.pointer.as_str(), field.code)).collect();
        assert_eq!(found, [("/name", "required"), ("/title", "not_allowed"), ("/street", "too_long")]);
    }
}
