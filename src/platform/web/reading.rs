//! Reading requests strictly: bodies up to a limit, their types, and the headers that make a command safe to repeat.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_TYPE, IF_MATCH};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::command::{Command, Envelope, Upload, is_key};
use super::json;
use crate::platform::error::{Error, Result};

/// The largest JSON body that is read, in bytes.
pub const BODY_MAX: usize = 256 * 1024;
/// The largest file that is read, in bytes.
pub const UPLOAD_MAX: usize = 10 * 1024 * 1024;

/// A partial update (RFC 7396): members that are there replace, null clears, the rest stays.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(transparent)]
pub struct Patch(Value);

impl Patch {
    /// Applies it to what is there.
    ///
    /// # Errors
    /// 400 for an unknown member, 422 for one that does not fit.
    pub fn apply<T: Serialize + DeserializeOwned>(self, to: &T) -> Result<T> {
        let mut target = serde_json::to_value(to)?;
        merge(&mut target, self.0);
        from_value(target)
    }
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    if let Some(object) = target.as_object_mut() {
        for (name, value) in members {
            if value.is_null() {
                object.remove(&name);
            } else {
                merge(object.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Command<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let bytes = read_body(&mut payload, BODY_MAX, "body_too_large").await?;
            check_media_type(&request, &bytes)?;
            let body = if bytes.is_empty() { Value::Object(serde_json::Map::new()) } else { json::parse(&bytes)? };
            let default_key = body.get("id").and_then(Value::as_str).map(str::to_owned);
            let mut canonical = String::new();
            write_canonical(&body, &mut canonical);
            let envelope = envelope(&request, canonical.as_bytes(), default_key)?;
            Ok(Self { body: from_value(body)?, envelope })
        })
    }
}

/// A JSON body of a request that needs no key: signing in.
#[derive(Debug, Clone)]
pub struct Plain<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Plain<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let bytes = read_body(&mut payload, BODY_MAX, "body_too_large").await?;
            check_media_type(&request, &bytes)?;
            Ok(Self(from_value(json::parse(&bytes)?)?))
        })
    }
}

impl FromRequest for Upload {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let bytes = read_body(&mut payload, UPLOAD_MAX, "upload_too_large").await?;
            let media_type = media_type(&request);
            let envelope = envelope(&request, &bytes, None)?;
            Ok(Self { media_type, command: Command { body: bytes, envelope } })
        })
    }
}

pub(super) fn media_type(request: &HttpRequest) -> String {
    let text = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn check_media_type(request: &HttpRequest, bytes: &[u8]) -> Result<()> {
    let media_type = media_type(request);
    let is_json = matches!(media_type.as_str(), "application/json" | "application/merge-patch+json");
    if is_json || (bytes.is_empty() && media_type.is_empty()) {
        return Ok(());
    }
    Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported").with("expected", "application/json"))
}

/// Reads a body up to a limit. The framework's own limits do not apply to a raw payload.
async fn read_body(payload: &mut Payload, max: usize, too_large: &'static str) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else { return Err(Error::bad_request("malformed_json")) };
        if bytes.len().saturating_add(chunk.len()) > max {
            return Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, too_large).with("max_bytes", max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

pub(super) fn envelope(request: &HttpRequest, body: &[u8], default_key: Option<String>) -> Result<Envelope> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let key = header("Idempotency-Key").map(|text| text.trim().trim_matches('"').to_owned()).or(default_key);
    if let Some(key) = &key
        && !is_key(key)
    {
        return Err(Error::bad_request("header_missing").with("header", "Idempotency-Key"));
    }
    if key.is_none() && request.method() == Method::POST && request.query_string() != "dry_run=true" {
        return Err(Error::bad_request("idempotency_key_missing"));
    }
    let expected = match header(IF_MATCH.as_str()) {
        None => None,
        Some(text) => Some(
            text.trim()
                .trim_matches('"')
                .parse()
                .map_err(|_not_a_version| Error::bad_request("header_missing").with("header", "If-Match"))?,
        ),
    };
    let mut hash = Sha256::new();
    for part in [request.method().as_str().as_bytes(), b" ", request.path().as_bytes(), b"\n", body] {
        hash.update(part);
    }
    Ok(Envelope {
        key,
        fingerprint: hash.finalize().into(),
        expected,
        is_dry_run: request.query_string().split('&').any(|pair| pair == "dry_run=true"),
        keeps_refusals: false,
        is_strict: false,
        language: super::language(request),
        request_id: super::facts(request).id,
    })
}

/// Reads a body into its type and names the field that does not fit.
fn from_value<T: DeserializeOwned>(body: Value) -> Result<T> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            use serde_path_to_error::Segment;
            let step = match segment {
                Segment::Seq { index } => index.to_string(),
                Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
                Segment::Enum { .. } | Segment::Unknown => continue,
            };
            pointer.push('/');
            pointer.push_str(&step);
        }
        let message = error.inner().to_string();
        let named = |prefix: &str| {
            message.strip_prefix(prefix).and_then(|rest| rest.split('`').next()).map(|name| format!("/{name}"))
        };
        if let Some(name) = named("unknown field `") {
            // Depending on the shape, the path already ends with the unknown field.
            if !pointer.ends_with(&name) {
                pointer.push_str(&name);
            }
            return Error::unknown_field(pointer);
        }
        if let Some(name) = named("missing field `") {
            return Error::field(format!("{pointer}{name}"), "required");
        }
        Error::field(pointer, "invalid")
    })
}

/// The same value gives the same text, whatever the order of its members.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (name, member) in members {
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                write_canonical(member, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading is tested")]
    struct Body {
        title: String,
        lines: Vec<Line>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading is tested")]
    struct Line {
        quantity: u32,
    }

    #[test]
    fn a_body_that_does_not_fit_names_its_field() {
        let cases = [
            (r#"{"title":"a","lines":[{"quantity":-1}]}"#, 422, "/lines/0/quantity", "invalid"),
            (r#"{"title":"a","lines":[{}]}"#, 422, "/lines/0/quantity", "required"),
            (r#"{"lines":[]}"#, 422, "/title", "required"),
            (r#"{"title":"a","lines":[],"status":"issued"}"#, 400, "/status", "unknown_field"),
            (r#"{"title":"a","lines":[{"quantity":1,"x":2}]}"#, 400, "/lines/0/x", "unknown_field"),
        ];
        for (json, status, pointer, code) in cases {
            let error = from_value::<Body>(serde_json::from_str(json).unwrap()).unwrap_err();
            let field = &error.fields[0];
            assert_eq!((error.status.as_u16(), field.pointer.as_str(), field.code), (status, pointer, code), "{json}");
        }
    }

    #[test]
    fn the_order_of_members_does_not_change_the_fingerprint() {
        let canonical = |json: &str| {
            let mut out = String::new();
            write_canonical(&serde_json::from_str(json).unwrap(), &mut out);
            out
        };
        assert_eq!(canonical(r#"{"a":1,"b":[{"c":2,"d":3}]}"#), canonical(r#"{"b":[{"d":3,"c":2}],"a":1}"#));
        assert_ne!(canonical(r#"{"a":1}"#), canonical(r#"{"a":"1"}"#));
    }
}
