//! The words of explanations in four languages: accounts, events, parts, reasons and calculations.

use std::sync::LazyLock;

use super::texts::{Texts, fill};
use crate::kernel::language::Language;

static FR: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("traces/fr.txt")));
static NL: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("traces/nl.txt")));
static EN: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("traces/en.txt")));
static DE: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("traces/de.txt")));

fn words(language: Language) -> &'static Texts {
    match language {
        Language::Fr => &FR,
        Language::Nl => &NL,
        Language::En => &EN,
        Language::De => &DE,
    }
}

/// The values of placeholders.
pub type Params = Vec<(&'static str, String)>;

/// A text of a section, filled. A key without a text is shown as itself.
#[must_use]
pub fn say(language: Language, section: &str, key: &str, params: &[(&'static str, String)]) -> String {
    let Some(text) = words(language).get(section, key) else { return key.to_owned() };
    fill(text, |name| params.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()))
}

/// Whether a section has a text for a key.
#[must_use]
pub fn has(section: &str, key: &str) -> bool {
    EN.get(section, key).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_languages_have_the_same_words_to_fill() {
        for language in Language::ALL {
            assert!(words(language).strays().is_empty(), "{language}: {:?}", words(language).strays());
            assert_eq!(words(language).outline(), EN.outline(), "{language}");
        }
    }

    #[test]
    fn a_text_is_filled_and_a_missing_one_shows_its_key() {
        let params = [("document", "2026-0001".to_owned())];
        assert_eq!(say(Language::En, "event", "invoice_issued", &params), "Invoice 2026-0001 was issued");
        assert_eq!(say(Language::En, "event", "unheard_of", &[]), "unheard_of");
    }
}
