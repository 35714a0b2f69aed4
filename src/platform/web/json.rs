//! JSON read more strictly than the format asks: what two readers may understand differently is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::platform::error::{Error, Result};

/// Reads the JSON object of a body.
///
/// # Errors
/// 400 for what is not JSON, not UTF-8, or names a member twice; 422 for anything but an object, and for a NUL, which
/// PostgreSQL cannot keep, with the field that has it.
pub(super) fn parse(bytes: &[u8]) -> Result<Value> {
    let Strict(value) = serde_json::from_slice(bytes).map_err(|error| {
        Error::bad_request("malformed_json").with("line", error.line()).with("column", error.column())
    })?;
    if !value.is_object() {
        return Err(Error::field("", "invalid"));
    }
    match nul_in(&value) {
        Some(pointer) => Err(Error::field(pointer, "not_allowed")),
        None => Ok(value),
    }
}

/// The place of the first text with a NUL.
fn nul_in(value: &Value) -> Option<String> {
    let below = |step: &str, member: &Value| nul_in(member).map(|rest| format!("/{step}{rest}"));
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| below(&index.to_string(), item)),
        Value::Object(members) => {
            members.iter().find_map(|(name, member)| below(&name.replace('~', "~0").replace('/', "~1"), member))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// A value in which no object names a member twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> std::result::Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> std::result::Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((name, Strict(member))) = members.next_entry::<String, Strict>()? {
            if all.insert(name, member).is_some() {
                return Err(A::Error::custom("a member is named twice"));
            }
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_may_understand_differently_is_refused() {
        let code = |json: &str| parse(json.as_bytes()).map_err(|error| (error.status.as_u16(), error.code));
        assert_eq!(code(r#"{"a":1,"b":[1.5,-2,null,true,"x"]}"#).unwrap()["b"][0], 1.5);
        for json in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"{"a":1"#, r#"{"a":1e309}"#, "", "{}x"] {
            assert_eq!(code(json), Err((400, "malformed_json")), "{json}");
        }
        for json in ["[]", "null", "3", r#""text""#] {
            assert_eq!(code(json), Err((422, "validation_failed")), "{json}");
        }
        let nul = parse(br#"{"a":[{"b/c":"x\u0000y"}]}"#).unwrap_err();
        assert_eq!(nul.fields[0].pointer, "/a/0/b~1c");
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        assert_eq!(code(&deep), Err((400, "malformed_json")));
    }
}
