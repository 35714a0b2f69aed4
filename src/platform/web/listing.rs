//! Lists by pages: keyset, newest first, with a cursor that is opaque, signed and bound to its reader and filters.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use uuid::Uuid;

use crate::kernel::ids::PersonId;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;

/// Rows of a page when the caller does not say.
const LIMIT_DEFAULT: i64 = 50;
/// Rows of a page at most.
const LIMIT_MAX: i64 = 200;

/// Where a page ends.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PageInfo {
    /// For the next page; absent on the last.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The rows, newest first.
    pub data: Vec<T>,
    /// Where it ends.
    pub page: PageInfo,
}

/// A page as asked for.
#[derive(Debug, Clone)]
pub struct Listing {
    /// One row more than the page, to know whether there are more.
    pub fetch: i64,
    /// Rows after this key.
    pub after: Option<Uuid>,
    binding: Vec<u8>,
    key: Vec<u8>,
}

impl Listing {
    /// Reads `limit` and `cursor`. `filters` is whatever else shaped the list.
    ///
    /// # Errors
    /// 400 for a cursor of another list, person or filter; 422 for a limit out of range.
    pub fn new(
        keys: &Keys,
        reader: PersonId,
        list: &str,
        filters: &impl Serialize,
        limit: Option<i64>,
        cursor: Option<&str>,
    ) -> Result<Self> {
        Self::signed_by(&keys.sign_link("cursor", b""), reader, list, filters, limit, cursor)
    }

    fn signed_by(
        key: &[u8],
        reader: PersonId,
        list: &str,
        filters: &impl Serialize,
        limit: Option<i64>,
        cursor: Option<&str>,
    ) -> Result<Self> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::field("/limit", "out_of_range"));
        }
        let mut binding = reader.0.as_bytes().to_vec();
        binding.extend_from_slice(list.as_bytes());
        binding.extend_from_slice(serde_json::to_string(filters)?.as_bytes());
        let mut listing = Self { fetch: limit.saturating_add(1), after: None, binding, key: key.to_vec() };
        listing.after = match cursor {
            None => None,
            Some(text) => Some(listing.open(text).ok_or_else(|| Error::bad_request("cursor_invalid"))?),
        };
        Ok(listing)
    }

    /// Makes the page of the rows that were fetched.
    pub fn page<R, T>(&self, mut rows: Vec<R>, id: impl Fn(&R) -> Uuid, view: impl FnMut(R) -> T) -> Page<T> {
        let limit = usize::try_from(self.fetch.saturating_sub(1)).unwrap_or_default();
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(|row| self.seal(id(row)));
        Page { data: rows.into_iter().map(view).collect(), page: PageInfo { next_cursor, has_more } }
    }

    fn signature(&self, id: &[u8]) -> Option<Vec<u8>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(b"cursor");
        mac.update(&self.binding);
        mac.update(id);
        mac.finalize().into_bytes().get(..16).map(<[u8]>::to_vec)
    }

    fn seal(&self, id: Uuid) -> String {
        let mut bytes = id.as_bytes().to_vec();
        bytes.extend(self.signature(id.as_bytes()).unwrap_or_default());
        format!("c_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn open(&self, text: &str) -> Option<Uuid> {
        use subtle::ConstantTimeEq;
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix("c_")?).ok()?;
        let (id, signature) = bytes.split_at_checked(16)?;
        let expected = self.signature(id)?;
        bool::from(expected.as_slice().ct_eq(signature)).then(|| Uuid::from_slice(id).ok())?
    }
}

/// A query string read into a type; an unknown or unreadable parameter is a 400 or 422 that names it.
#[derive(Debug, Clone)]
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned> FromRequest for QueryOf<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        // PostgreSQL cannot keep a NUL, and nothing that we look for has one.
        let nul = request.query_string().split('&').find(|pair| pair.contains("%00"));
        if let Some(name) = nul.and_then(|pair| pair.split('=').next()) {
            return ready(Err(Error::field(format!("/{name}"), "not_allowed")));
        }
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(request.query_string().as_bytes()));
        ready(serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| {
            let at = error.path().to_string();
            let message = error.inner().to_string();
            match message.split('`').nth(1) {
                Some(name) if message.contains("unknown field") => Error::unknown_field(format!("/{name}")),
                Some(name) if message.contains("missing field") => Error::field(format!("/{name}"), "required"),
                _ => Error::field(format!("/{}", at.trim_start_matches('.')), "invalid"),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_reader_its_list_and_its_filters() {
        let reader = PersonId(Uuid::from_u128(1));
        let listing = Listing::signed_by(b"key", reader, "invoices", &"issued", Some(1), None).unwrap();
        let page = listing.page(vec![Uuid::from_u128(7), Uuid::from_u128(6)], |id| *id, |id| id);
        let cursor = page.page.next_cursor.unwrap();
        assert_eq!(page.data, [Uuid::from_u128(7)]);
        let open = |key: &[u8], reader, list, filter: &str, cursor: &str| {
            Listing::signed_by(key, reader, list, &filter, None, Some(cursor)).map(|listing| listing.after)
        };
        assert_eq!(open(b"key", reader, "invoices", "issued", &cursor).unwrap(), Some(Uuid::from_u128(7)));
        assert!(open(b"other", reader, "invoices", "issued", &cursor).is_err());
        assert!(open(b"key", PersonId(Uuid::from_u128(2)), "invoices", "issued", &cursor).is_err());
        assert!(open(b"key", reader, "payouts", "issued", &cursor).is_err());
        assert!(open(b"key", reader, "invoices", "draft", &cursor).is_err());
        assert!(open(b"key", reader, "invoices", "issued", "c_AAAA").is_err());
    }
}
