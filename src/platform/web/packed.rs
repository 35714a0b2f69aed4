//! Large files: packed while they arrive, so that they never lie in memory as a whole.

use std::future::{Ready, ready};
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::command::Command;
use super::reading::{envelope, media_type};
use crate::platform::error::{Error, Result};

/// The largest file that is read piece by piece, in bytes.
pub const PACKED_MAX: usize = 256 * 1024 * 1024;
/// Bytes at its beginning that tell what a file is.
const HEAD: usize = 4_096;

/// A file, packed.
#[derive(Clone)]
pub struct Packed {
    gzip: Arc<Vec<u8>>,
    size: usize,
    sha256: [u8; 32],
    head: Vec<u8>,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Packed {
    /// Packs what is in memory.
    ///
    /// # Errors
    /// Fails when memory does.
    pub fn of(bytes: &[u8]) -> Result<Self> {
        let mut packing = Packing::new();
        packing.push(bytes)?;
        packing.finish()
    }

    /// Its bytes, one after the other.
    #[must_use]
    pub fn open(&self) -> impl BufRead + '_ {
        BufReader::with_capacity(64 * 1024, GzDecoder::new(self.gzip.as_slice()))
    }

    /// All its bytes.
    ///
    /// # Errors
    /// Fails when memory does.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.size);
        self.open().read_to_end(&mut bytes).map_err(Error::internal)?;
        Ok(bytes)
    }

    /// As it is kept.
    #[must_use]
    pub fn gzip(&self) -> &[u8] {
        &self.gzip
    }

    /// How many bytes it has, unpacked.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// SHA-256 of its bytes, unpacked.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Its first bytes.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }
}

/// A file that is being packed.
struct Packing {
    encoder: GzEncoder<Vec<u8>>,
    hash: Sha256,
    size: usize,
    head: Vec<u8>,
}

impl Packing {
    fn new() -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::default());
        Self { encoder, hash: Sha256::new(), size: 0, head: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.size = self.size.saturating_add(bytes.len());
        self.hash.update(bytes);
        let wanted = HEAD.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(wanted));
        self.encoder.write_all(bytes).map_err(Error::internal)
    }

    fn finish(self) -> Result<Packed> {
        let gzip = Arc::new(self.encoder.finish().map_err(Error::internal)?);
        Ok(Packed { gzip, size: self.size, sha256: self.hash.finalize().into(), head: self.head })
    }
}

/// A command whose body is a file that may be large, and of which nothing is read yet: a handler first asks the database
/// whether its caller may send one at all.
pub struct PackedUpload {
    request: HttpRequest,
    payload: Payload,
}

impl std::fmt::Debug for PackedUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedUpload").finish_non_exhaustive()
    }
}

/// What was sent, read to its end.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// What the sender calls it.
    pub media_type: String,
    /// What was sent.
    pub command: Command<Packed>,
}

impl FromRequest for PackedUpload {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self { request: request.clone(), payload: payload.take() }))
    }
}

impl PackedUpload {
    /// Reads the body, packing it as it comes.
    ///
    /// # Errors
    /// 400 for a body that breaks off and for headers that are missing; 413 for one that is too large.
    pub async fn read(mut self) -> Result<Uploaded> {
        let mut packing = Packing::new();
        while let Some(chunk) = self.payload.next().await {
            let Ok(chunk) = chunk else { return Err(Error::bad_request("malformed_json")) };
            if packing.size.saturating_add(chunk.len()) > PACKED_MAX {
                let refused = Error::new(StatusCode::PAYLOAD_TOO_LARGE, "upload_too_large");
                return Err(refused.with("max_bytes", PACKED_MAX));
            }
            packing.push(&chunk)?;
        }
        let body = packing.finish()?;
        let envelope = envelope(&self.request, body.sha256(), None)?;
        Ok(Uploaded { media_type: media_type(&self.request), command: Command { body, envelope } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let bytes: Vec<u8> = (0_u32..100_000).flat_map(u32::to_le_bytes).collect();
        let packed = Packed::of(&bytes).unwrap();
        assert_eq!((packed.size(), packed.bytes().unwrap()), (400_000, bytes.clone()));
        assert_eq!(packed.sha256().as_slice(), Sha256::digest(&bytes).as_slice());
        assert_eq!(packed.head(), &bytes[..4_096]);
    }
}
