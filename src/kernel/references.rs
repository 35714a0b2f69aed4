//! Payment references that a bank carries back to us.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

/// The Belgian structured communication (OGM/VCS): ten digits and two check digits.
///
/// The check is the first ten digits modulo 97, and 97 when that is zero (Febelfin standard).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ogm(String);

impl Ogm {
    /// The largest base number: ten digits.
    pub const BASE_MAX: u64 = 9_999_999_999;

    /// The reference of a base number, or `None` beyond ten digits.
    #[must_use]
    pub fn from_base(base: u64) -> Option<Self> {
        if base > Self::BASE_MAX {
            return None;
        }
        let rest = base.checked_rem(97)?;
        let check = if rest == 0 { 97 } else { rest };
        Some(Self(format!("{base:010}{check:02}")))
    }

    /// Reads a reference in any of the shapes that banks print: `+++123/4567/89002+++`, `***…***`, plain digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let inner = trimmed.trim_matches(|c| c == '+' || c == '*');
        if !inner.chars().all(|c| c.is_ascii_digit() || c == '/' || c == ' ') {
            return None;
        }
        let digits: String = inner.chars().filter(char::is_ascii_digit).collect();
        let base: u64 = digits.get(..10)?.parse().ok()?;
        Self::from_base(base).filter(|candidate| candidate.0 == digits)
    }

    /// The twelve digits, as stored and as matched.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The printed shape, `+++123/4567/89002+++`.
    #[must_use]
    pub fn printed(&self) -> String {
        let (head, rest) = self.0.split_at(3);
        let (middle, tail) = rest.split_at(4);
        format!("+++{head}/{middle}/{tail}+++")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digits_are_the_base_modulo_97() {
        let cases =
            [(97, "+++000/0000/09797+++"), (1_234_567_890, "+++123/4567/89002+++"), (0, "+++000/0000/00097+++")];
        for (base, printed) in cases {
            assert_eq!(Ogm::from_base(base).unwrap().printed(), printed);
        }
        assert_eq!(Ogm::from_base(10_000_000_000), None);
    }

    #[test]
    fn a_reference_is_read_in_every_printed_shape_and_refused_when_its_check_is_wrong() {
        let expected = Ogm::from_base(1_234_567_890).unwrap();
        for text in ["+++123/4567/89002+++", "***123/4567/89002***", "123456789002", " 123/4567/89002 "] {
            assert_eq!(Ogm::parse(text), Some(expected.clone()), "{text}");
        }
        for text in ["123456789003", "12345678900", "abc", "", "1234567890021"] {
            assert_eq!(Ogm::parse(text), None, "{text}");
        }
    }
}
