//! A field of a merge patch (RFC 7396): what is absent stays, `null` clears, a value sets.

use serde::{Deserialize, Deserializer};

/// What happens to a field that may be empty. Read with `#[serde(default)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// Absent.
    #[default]
    Keep,
    /// `null`.
    Clear,
    /// A value.
    Set(T),
}

impl<T> Patch<T> {
    /// The field after the patch.
    #[must_use]
    pub fn over(self, was: Option<T>) -> Option<T> {
        match self {
            Self::Keep => was,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        phone: Patch<String>,
    }

    #[test]
    fn absent_stays_null_clears_and_a_value_sets() {
        let cases = [("{}", Some("was")), (r#"{"phone":null}"#, None), (r#"{"phone":"is"}"#, Some("is"))];
        for (json, expected) in cases {
            let body: Body = serde_json::from_str(json).unwrap();
            assert_eq!(body.phone.over(Some("was".to_owned())).as_deref(), expected, "{json}");
        }
        assert!(serde_json::from_str::<Body>(r#"{"phone":7}"#).is_err());
    }
}
