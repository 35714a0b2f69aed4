//! The port to the payee-name check (verification of payee). A sixth kind of file: what stands behind it is outside
//! the program.
//!
//! Whoever asks has no transaction open. Without a bank that answers, the answer is that nobody could be asked.

use std::collections::BTreeMap;

use super::rules::NameCheck;

/// What a bank answers about the name of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAnswer {
    /// How well it fits.
    pub outcome: NameCheck,
    /// In which name the account is, when it fits nearly.
    pub name: Option<String>,
}

impl NameAnswer {
    /// An answer that names nobody.
    #[must_use]
    pub const fn plain(outcome: NameCheck) -> Self {
        Self { outcome, name: None }
    }
}

/// Why there is no answer; the question is asked again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payee-name check does not answer: {0}")]
pub struct NoAnswer(pub String);

/// Who knows in whose name an account is.
pub trait PayeeNames: Send + Sync {
    /// Whether an account is in somebody's name.
    ///
    /// # Errors
    /// There is no answer at the moment.
    fn check(&self, iban: &str, holder: &str) -> Result<NameAnswer, NoAnswer>;
}

/// Nobody to ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct NobodyToAsk;

impl PayeeNames for NobodyToAsk {
    fn check(&self, _iban: &str, _holder: &str) -> Result<NameAnswer, NoAnswer> {
        Ok(NameAnswer::plain(NameCheck::NotAvailable))
    }
}

/// A list of accounts and the names that they are in, for tests and demonstrations.
#[derive(Debug, Clone, Default)]
pub struct ListedNames {
    names: BTreeMap<String, String>,
}

impl ListedNames {
    /// These accounts are in these names.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { names: names.into_iter().map(|(iban, name)| (iban.to_owned(), name.to_owned())).collect() }
    }
}

/// The words of a name, in one case and in no order: `LI Bo` and `Bo Li` are one name.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> =
        name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    words.sort();
    words
}

impl PayeeNames for ListedNames {
    fn check(&self, iban: &str, holder: &str) -> Result<NameAnswer, NoAnswer> {
        let Some(name) = self.names.get(iban) else { return Ok(NameAnswer::plain(NameCheck::Unknown)) };
        let (theirs, asked) = (words(name), words(holder));
        if theirs == asked {
            return Ok(NameAnswer::plain(NameCheck::Match));
        }
        if asked.iter().any(|word| theirs.contains(word)) {
            return Ok(NameAnswer { outcome: NameCheck::CloseMatch, name: Some(name.clone()) });
        }
        Ok(NameAnswer::plain(NameCheck::NoMatch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_name_fits_nearly_or_not_at_all() {
        let names = ListedNames::new([("BE71096123456769", "DIOP Awa")]);
        let asked = |iban: &str, holder: &str| names.check(iban, holder).unwrap();
        assert_eq!(asked("BE71096123456769", "Awa Diop").outcome, NameCheck::Match);
        let close = asked("BE71096123456769", "A. Diop");
        assert_eq!((close.outcome, close.name.as_deref()), (NameCheck::CloseMatch, Some("DIOP Awa")));
        assert_eq!(asked("BE71096123456769", "Bo Li").outcome, NameCheck::NoMatch);
        assert_eq!(asked("DE89370400440532013000", "Bo Li").outcome, NameCheck::Unknown);
        assert_eq!(NobodyToAsk.check("", "").unwrap().outcome, NameCheck::NotAvailable);
    }
}
