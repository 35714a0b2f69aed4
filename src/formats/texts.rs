//! Files of texts that a translator can edit, and the one way to fill their placeholders.
//!
//! ```text
//! # a comment
//! [period_closed]
//! title = Period closed
//! detail = {period} is closed. Date this in an open period.[ Open from {open_on}.]
//! ```
//! A section is a list of `key = value` lines in the order they were written; a key may come several times.
//! `{name}` is a placeholder. A part in square brackets is left out when one of its placeholders has no value,
//! so a text stays a sentence whatever the caller knew. The value of a placeholder is never read again:
//! nothing that a user typed can open a section, a bracket or another placeholder.

use std::collections::{BTreeMap, BTreeSet};

/// One line of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What the line is: `title`, `p`, `fact`.
    pub key: &'static str,
    /// The text, with its placeholders.
    pub value: &'static str,
}

/// A file of texts, parsed.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    sections: BTreeMap<&'static str, Vec<Line>>,
    strays: Vec<&'static str>,
}

impl Texts {
    /// Reads a file of texts. A line that is neither a section, a comment nor `key = value`, or that stands
    /// before the first section or in a section that came before, is kept in [`Texts::strays`] for the tests
    /// to refuse.
    #[must_use]
    pub fn parse(source: &'static str) -> Self {
        let mut texts = Self::default();
        let mut open: Option<&'static str> = None;
        for line in source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                if texts.sections.insert(name, Vec::new()).is_some() {
                    texts.strays.push(line);
                }
                open = Some(name);
                continue;
            }
            match (open.and_then(|name| texts.sections.get_mut(name)), line.split_once(" = ")) {
                (Some(section), Some((key, value))) => section.push(Line { key: key.trim(), value: value.trim() }),
                _ => texts.strays.push(line),
            }
        }
        texts
    }

    /// The lines of a section in their order; empty when there is none of that name.
    #[must_use]
    pub fn section(&self, name: &str) -> &[Line] {
        self.sections.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first value of a key in a section.
    #[must_use]
    pub fn get(&self, section: &str, key: &str) -> Option<&'static str> {
        self.section(section).iter().find(|line| line.key == key).map(|line| line.value)
    }

    /// The names of the sections, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.sections.keys().copied()
    }

    /// Lines that could not be read; a shipped file has none.
    #[must_use]
    pub fn strays(&self) -> &[&'static str] {
        &self.strays
    }

    /// What two languages must have in common: section, place, key and placeholders of every line.
    #[must_use]
    pub fn outline(&self) -> Vec<String> {
        let mut outline = Vec::new();
        for (name, lines) in &self.sections {
            for (place, line) in lines.iter().enumerate() {
                outline.push(format!("{name}.{place}.{} {:?}", line.key, placeholders(line.value)));
            }
        }
        outline
    }
}

/// The names between braces in a text, each once, sorted.
#[must_use]
pub fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

/// Puts values in the place of `{name}`; see the head of this file for `[...]`.
///
/// Outside brackets a name without a value becomes an ellipsis: a text never fails to be written.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(&fill_plain(before, &value).0);
        let (optional, after) = after.split_once(']').unwrap_or((after, ""));
        let (filled, whole) = fill_plain(optional, &value);
        if whole {
            out.push_str(&filled);
        }
        rest = after;
    }
    out.push_str(&fill_plain(rest, &value).0);
    out
}

/// Fills a text without brackets; false when a value was missing.
fn fill_plain(text: &str, value: &impl Fn(&str) -> Option<String>) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut whole = true;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        if let Some(value) = value(name) {
            out.push_str(&value);
        } else {
            whole = false;
            out.push('…');
        }
        rest = after;
    }
    out.push_str(rest);
    (out, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        fill(text, |name| match name {
            "name" => Some("{total} [x]".to_owned()),
            "total" => Some("12 €".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn a_value_is_never_read_as_a_text() {
        assert_eq!(filled("Hello {name}.[ Pay {total}.]"), "Hello {total} [x]. Pay 12 €.");
    }

    #[test]
    fn a_bracketed_part_without_its_value_is_left_out() {
        assert_eq!(filled("Closed.[ Open from {open_on}.][ Total {total}.] End"), "Closed. Total 12 €. End");
        assert_eq!(filled("Closed: {period}"), "Closed: …");
        assert_eq!(filled("odd { brace"), "odd { brace");
    }

    #[test]
    fn sections_keep_their_order_and_strays_are_seen() {
        let texts = Texts::parse("lost = 1\n[a]\n# note\np = one = 1\np = two\nnot a line\n[a]\n");
        assert_eq!(texts.strays(), ["lost = 1", "not a line", "[a]"]);
        let texts = Texts::parse("[a]\np = one = {x}\np = two\n");
        assert_eq!(texts.get("a", "p"), Some("one = {x}"));
        assert_eq!(texts.outline(), ["a.0.p {\"x\"}", "a.1.p {}"]);
    }
}
