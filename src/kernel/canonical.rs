//! One way to write a JSON value, so that its hash and its signature can be computed again by anybody.
//!
//! Keys sorted by their bytes, no blanks, whole numbers only, texts escaped as little as JSON allows. For keys in
//! ASCII and whole numbers this is what RFC 8785 writes.

use serde_json::Value;

/// A value that has no canonical form here: a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a canonical text has whole numbers only")]
pub struct NotCanonical;

/// Writes a value.
///
/// # Errors
/// Refuses numbers that are not whole.
pub fn write(value: &Value) -> Result<String, NotCanonical> {
    let mut out = String::new();
    append(value, &mut out)?;
    Ok(out)
}

fn append(value: &Value, out: &mut String) -> Result<(), NotCanonical> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
        Value::Number(number) if number.is_i64() || number.is_u64() => out.push_str(&number.to_string()),
        Value::Number(_) => return Err(NotCanonical),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                append(item, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|left, right| left.0.cmp(right.0));
            out.push('{');
            for (index, (key, item)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                append(item, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// Reads a text that is exactly what [`write`] writes: no byte of it could be another.
#[must_use]
pub fn read(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (write(&value).as_deref() == Ok(text)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_has_one_text_and_only_that_text_is_read() {
        let value = json!({"b": [1, -2, null, true], "a": {"é": "Łu\n\"", "z": 9_007_199_254_740_991_i64}});
        let text = r#"{"a":{"z":9007199254740991,"é":"Łu\n\""},"b":[1,-2,null,true]}"#;
        assert_eq!(write(&value).unwrap(), text);
        assert_eq!(read(text), Some(value));
        for other in [
            r#"{"b":1,"a":1}"#,
            r#"{"a": 1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":"\u0061"}"#,
            "{\"a\":1}\n",
            r#"{"a":-0}"#,
            "",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(write(&json!(0.5)), Err(NotCanonical));
    }
}
