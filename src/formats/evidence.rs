//! Signed evidence: a statement that anybody can check with nothing but the file and our public keys.
//!
//! The signature is a detached JWS (RFC 7515, appendix F) over the canonical text of the payload, so the statement
//! stays readable in its file: `{"payload":{…},"protected":"…","signature":"…"}`, itself canonical. The same
//! statement is available as a flattened JWS (RFC 7515, 7.2.2) with the payload in base64url, for any JOSE library.
//! Its `typ` is one that no access token has: evidence never opens a door, and a token is never evidence.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::kernel::canonical;

/// The `typ` of evidence.
pub const TYPE: &str = "umbel-trace+jws";
/// The media type of a JWS in JSON.
pub const MEDIA_TYPE: &str = "application/jose+json";

/// A statement with its signature.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The statement: canonical JSON, or the base64url of it.
    pub payload: Value,
    /// The protected header in base64url.
    pub protected: String,
    /// The signature in base64url.
    pub signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// How the statement stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As readable JSON; the signature is detached.
    Readable,
    /// In base64url, as JOSE libraries read it.
    Jose,
}

/// Evidence that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CannotSign {
    /// The statement has no canonical text.
    #[error(transparent)]
    NotCanonical(#[from] canonical::NotCanonical),
    /// The key does not sign.
    #[error("the key does not sign")]
    Key(#[from] jsonwebtoken::errors::Error),
}

/// Signs a statement with an Ed25519 key. Answers the bytes of the file.
///
/// # Errors
/// Refuses a statement with fractions in it.
pub fn sign(payload: &Value, kid: &str, key: &EncodingKey, form: Form) -> Result<String, CannotSign> {
    let header = canonical::write(&json!({"alg": "EdDSA", "kid": kid, "typ": TYPE}))?;
    let protected = URL_SAFE_NO_PAD.encode(header);
    let encoded = URL_SAFE_NO_PAD.encode(canonical::write(payload)?);
    let signature = crypto::sign(format!("{protected}.{encoded}").as_bytes(), key, Algorithm::EdDSA)?;
    let payload = match form {
        Form::Readable => payload.clone(),
        Form::Jose => Value::from(encoded),
    };
    Ok(canonical::write(&json!({"payload": payload, "protected": protected, "signature": signature}))?)
}

/// What is wrong with evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEvidence {
    /// Not canonical JSON with payload, protected and signature.
    #[error("the file is not canonical JSON with payload, protected and signature: it was changed or rewritten")]
    Unreadable,
    /// The header is not readable or says more than we say.
    #[error("the protected header cannot be read")]
    Header,
    /// Signed as something else.
    #[error("the signature is of type {0:?} and not umbel-trace+jws: it was made for something else")]
    Type(String),
    /// Another algorithm.
    #[error("the signature is made with {0:?} and not with EdDSA")]
    Algorithm(String),
    /// The key is not in the set.
    #[error("the key {0:?} is not among the given public keys")]
    UnknownKey(String),
    /// The set is not readable.
    #[error("the file of public keys is not a JWK set")]
    Keys,
    /// The signature does not fit.
    #[error("the signature does not fit: the statement or the signature was changed")]
    Signature,
}

/// Checks evidence against a JWK set (RFC 7517). Answers the statement.
///
/// # Errors
/// What does not hold.
pub fn verify(file: &str, jwks: &str) -> Result<Value, NotEvidence> {
    let file = canonical::read(file.strip_suffix('\n').unwrap_or(file)).ok_or(NotEvidence::Unreadable)?;
    let it: Evidence = serde_json::from_value(file).map_err(|_another_shape| NotEvidence::Unreadable)?;
    let header = URL_SAFE_NO_PAD.decode(&it.protected).map_err(|_not_base64| NotEvidence::Header)?;
    let header: Header = serde_json::from_slice(&header).map_err(|_another_shape| NotEvidence::Header)?;
    if header.typ != TYPE {
        return Err(NotEvidence::Type(header.typ));
    }
    if header.alg != "EdDSA" {
        return Err(NotEvidence::Algorithm(header.alg));
    }
    let encoded = match &it.payload {
        Value::String(encoded) => encoded.clone(),
        readable @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            let text = canonical::write(readable).map_err(|_fraction| NotEvidence::Unreadable)?;
            URL_SAFE_NO_PAD.encode(text)
        }
    };
    let keys: JwkSet = serde_json::from_str(jwks).map_err(|_another_shape| NotEvidence::Keys)?;
    let is_ed25519 = |params: &AlgorithmParameters| matches!(params, AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519);
    let key = keys.find(&header.kid).filter(|key| is_ed25519(&key.algorithm));
    let key = key.ok_or_else(|| NotEvidence::UnknownKey(header.kid.clone()))?;
    let key = DecodingKey::from_jwk(key).map_err(|_not_a_key| NotEvidence::Keys)?;
    let signed = format!("{}.{encoded}", it.protected);
    // A signature has one spelling: the last digit of base64 has bits that mean nothing.
    let spelled = URL_SAFE_NO_PAD.decode(&it.signature).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    let fits = crypto::verify(&it.signature, signed.as_bytes(), &key, Algorithm::EdDSA).unwrap_or(false);
    if !fits || spelled.as_deref() != Ok(it.signature.as_str()) {
        return Err(NotEvidence::Signature);
    }
    match it.payload {
        Value::String(encoded) => {
            let text = URL_SAFE_NO_PAD.decode(encoded).map_err(|_not_base64| NotEvidence::Unreadable)?;
            let text = String::from_utf8(text).map_err(|_not_text| NotEvidence::Unreadable)?;
            canonical::read(&text).ok_or(NotEvidence::Unreadable)
        }
        readable @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Ok(readable)
        }
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::{Jwk, ThumbprintHash};

    use super::*;

    /// A key of RFC 8032, 7.1 (test 1 or 2), in PKCS #8.
    fn key(secret: &str) -> (EncodingKey, String, String) {
        let secret: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).unwrap()).collect();
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend(secret);
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
        jwk.common.key_id = Some(kid.clone());
        let set = serde_json::to_string(&JwkSet { keys: vec![jwk] }).unwrap();
        (key, kid, set)
    }

    fn ours() -> (EncodingKey, String, String) {
        key("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    }

    #[test]
    fn evidence_is_checked_with_the_file_and_the_public_key_alone() {
        let (key, kid, jwks) = ours();
        let statement = json!({"amount_minor": 92_500, "text": "Łukasz"});
        for form in [Form::Readable, Form::Jose] {
            let file = sign(&statement, &kid, &key, form).unwrap();
            assert_eq!(verify(&file, &jwks), Ok(statement.clone()), "{form:?}");
            assert_eq!(verify(&format!("{file}\n"), &jwks), Ok(statement.clone()));
        }
    }

    #[test]
    fn any_byte_that_changes_is_refused() {
        let (key, kid, jwks) = ours();
        for form in [Form::Readable, Form::Jose] {
            let file = sign(&json!({"amount_minor": 92_500, "parts": [1, 2]}), &kid, &key, form).unwrap();
            for at in 0..file.len() {
                for bit in [1, 2, 4, 32] {
                    let mut bytes = file.clone().into_bytes();
                    bytes[at] ^= bit;
                    let Ok(changed) = String::from_utf8(bytes) else { continue };
                    assert!(verify(&changed, &jwks).is_err(), "{changed}");
                }
            }
        }
    }

    #[test]
    fn another_key_another_type_and_another_algorithm_are_named() {
        let (key, kid, jwks) = ours();
        let (other, other_kid, other_jwks) =
            self::key("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let file = sign(&json!({"n": 1}), &kid, &key, Form::Readable).unwrap();
        assert_eq!(verify(&file, &other_jwks), Err(NotEvidence::UnknownKey(kid.clone())));
        let forged = sign(&json!({"n": 1}), &kid, &other, Form::Readable).unwrap();
        assert_eq!(verify(&forged, &jwks), Err(NotEvidence::Signature));
        assert_eq!(verify(&file, "{}"), Err(NotEvidence::Keys));
        let with = |header: Value| {
            let protected = URL_SAFE_NO_PAD.encode(header.to_string());
            let message = format!("{protected}.{}", URL_SAFE_NO_PAD.encode("{\"n\":1}"));
            let signature = crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA).unwrap();
            let file = json!({"payload": {"n": 1}, "protected": protected, "signature": signature});
            verify(&canonical::write(&file).unwrap(), &jwks)
        };
        assert_eq!(with(json!({"alg": "EdDSA", "kid": kid, "typ": TYPE})), Ok(json!({"n": 1})));
        let token = with(json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}));
        assert_eq!(token, Err(NotEvidence::Type("at+jwt".to_owned())));
        assert_eq!(
            with(json!({"alg": "none", "kid": kid, "typ": TYPE})),
            Err(NotEvidence::Algorithm("none".to_owned()))
        );
        assert_eq!(with(json!({"alg": "EdDSA", "kid": kid, "typ": TYPE, "crit": ["b64"]})), Err(NotEvidence::Header));
        assert_eq!(
            with(json!({"alg": "EdDSA", "kid": other_kid, "typ": TYPE})),
            Err(NotEvidence::UnknownKey(other_kid))
        );
    }
}
