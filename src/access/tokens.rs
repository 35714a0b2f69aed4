//! Access tokens: EdDSA, ten minutes, one shape, nothing negotiable.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::ids::{PersonId, SessionId};
use crate::platform::clock::Clock;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;

const TYPE: &str = "at+jwt";
const AUDIENCE: &str = "umbel-api";
/// How far the clocks of our own machines may be apart, in seconds.
const LEEWAY: i64 = 5;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: PersonId,
    sid: SessionId,
    generation: i32,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// What a valid token says.
#[derive(Debug, Clone, Copy)]
pub struct Bearer {
    /// Who.
    pub person: PersonId,
    /// On which device.
    pub session: SessionId,
    /// Of which generation.
    pub generation: i32,
}

/// Signs and reads access tokens.
#[derive(Clone)]
pub struct TokenService {
    keys: std::sync::Arc<Keys>,
    issuer: String,
    clock: Clock,
}

impl TokenService {
    /// How long a token lives.
    pub const LIFE_SECONDS: i64 = 600;

    /// Signs with the newest key, as `issuer`.
    #[must_use]
    pub fn new(keys: std::sync::Arc<Keys>, issuer: String, clock: Clock) -> Self {
        Self { keys, issuer, clock }
    }

    /// A token for a session.
    ///
    /// # Errors
    /// Fails only if the key were unusable.
    pub fn issue(
        &self,
        person: PersonId,
        session: SessionId,
        generation: i32,
        now: DateTime<Utc>,
        jti: Uuid,
    ) -> Result<String> {
        let (id, key) = self.keys.signing();
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(id.to_owned()), ..Header::new(Algorithm::EdDSA) };
        let iat = now.timestamp();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: person,
            sid: session,
            generation,
            iat,
            exp: iat.saturating_add(Self::LIFE_SECONDS),
            jti,
        };
        encode(&header, &claims, key).map_err(Error::internal)
    }

    /// Reads a token. Whatever is not exactly ours is refused.
    ///
    /// # Errors
    /// 401 `token_expired`, `token_invalid`.
    pub fn read(&self, token: &str) -> Result<Bearer> {
        let invalid = || Error::unauthorized("token_invalid");
        let header = decode_header(token).map_err(|_malformed| invalid())?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(TYPE) {
            return Err(invalid());
        }
        let key = header.kid.as_deref().and_then(|id| self.keys.verifying(id)).ok_or_else(invalid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library compares with the machine's clock; we compare with ours, below.
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, key, &validation).map_err(|_not_ours| invalid())?.claims;
        let now = self.clock.now().timestamp();
        if claims.exp.saturating_sub(claims.iat) > Self::LIFE_SECONDS || claims.iat > now.saturating_add(LEEWAY) {
            return Err(invalid());
        }
        if claims.exp <= now.saturating_sub(LEEWAY) {
            return Err(Error::unauthorized("token_expired"));
        }
        Ok(Bearer { person: claims.sub, session: claims.sid, generation: claims.generation })
    }

    /// Who signs: the start of all links.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public keys, for whoever wants to check our tokens.
    #[must_use]
    pub fn jwks(&self) -> jsonwebtoken::jwk::JwkSet {
        self.keys.jwks()
    }
}
