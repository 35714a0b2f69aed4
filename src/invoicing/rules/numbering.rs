//! How an entity writes its numbers: `{YYYY}-{SEQ:4}` gives `2026-0001`.

use std::fmt::Write as _;

use crate::kernel::refusal::Refusal;

/// Letters before the year, and between the year and the sequence, at most.
const LITERAL_MAX: usize = 8;

/// The template of a series: letters, the year, a separator, the sequence. The year stands in every number, so that a
/// sequence that begins anew with each year makes no number twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    lead: String,
    is_long_year: bool,
    separator: String,
    width: usize,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// `number_template_invalid` for anything but capital letters and `_ . -`, `{YYYY}` or `{YY}`, at least one such
    /// character, and `{SEQ}` or `{SEQ:3}` to `{SEQ:8}`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        Self::read(text).ok_or_else(|| Refusal::field("/template", "number_template_invalid"))
    }

    fn read(text: &str) -> Option<Self> {
        let (lead, rest) = text.split_once('{')?;
        let (year, rest) = rest.split_once('}')?;
        let (separator, rest) = rest.split_once('{')?;
        let sequence = rest.strip_suffix('}')?;
        let is_literal = |text: &str| {
            text.len() <= LITERAL_MAX
                && text.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'.' | b'-'))
        };
        let is_long_year = match year {
            "YYYY" => true,
            "YY" => false,
            _ => return None,
        };
        let width = match sequence.strip_prefix("SEQ")? {
            "" => 1,
            digits => digits
                .strip_prefix(':')?
                .parse::<usize>()
                .ok()
                .filter(|width| digits.len() == 2 && (3..=8).contains(width))?,
        };
        let is_right = is_literal(lead) && is_literal(separator) && !separator.is_empty();
        is_right.then(|| Self { lead: lead.to_owned(), is_long_year, separator: separator.to_owned(), width })
    }

    /// The number of a document.
    #[must_use]
    pub fn number(&self, year: i32, seq: i64) -> String {
        let year = if self.is_long_year { year } else { year.rem_euclid(100) };
        let mut text = format!("{}{year:02}{}", self.lead, self.separator);
        // Writing into a string does not fail.
        let _written = write!(text, "{seq:0width$}", width = self.width);
        text
    }

    /// Whether two series written by these templates could ever give one number: their letters are the same.
    #[must_use]
    pub fn collides(&self, other: &Self) -> bool {
        self.lead == other.lead && self.separator == other.separator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_its_template_says() {
        for (template, year, seq, number) in [
            ("{YYYY}-{SEQ:4}", 2026, 1, "2026-0001"),
            ("{YYYY}-{SEQ:4}", 2026, 12_345, "2026-12345"),
            ("C{YYYY}-{SEQ:4}", 2026, 7, "C2026-0007"),
            ("SMART.{YY}_{SEQ}", 2005, 42, "SMART.05_42"),
            ("INV-{YY}-{SEQ:8}", 2031, 3, "INV-31-00000003"),
        ] {
            assert_eq!(Template::parse(template).unwrap().number(year, seq), number);
        }
    }

    #[test]
    fn a_template_that_could_repeat_or_break_a_file_name_is_refused() {
        for template in [
            "",
            "{SEQ}",
            "{YYYY}{SEQ}",
            "{SEQ}-{YYYY}",
            "{YYYY}/{SEQ}",
            "a{YYYY}-{SEQ}",
            "{YYYY}-{SEQ:2}",
            "{YYYY}-{SEQ:9}",
            "{YYYY}-{SEQ}X",
            "1{YYYY}-{SEQ}",
            "ABCDEFGHI{YYYY}-{SEQ}",
            "{YYY}-{SEQ}",
            "{YYYY}-{SEQ",
            "{YYYY}-{SEQ:}",
            "{YYYY}-{SEQ:+4}",
        ] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }

    #[test]
    fn two_series_differ_in_their_letters() {
        let template = |text| Template::parse(text).unwrap();
        assert!(template("{YYYY}-{SEQ:4}").collides(&template("{YY}-{SEQ}")));
        assert!(!template("{YYYY}-{SEQ:4}").collides(&template("C{YYYY}-{SEQ:4}")));
    }
}
