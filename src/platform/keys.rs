//! The secrets of an installation, and the only things that are done with them.
//!
//! Three kinds: token keys (Ed25519) sign access tokens, data keys (AES-256-GCM) seal what must not be readable in
//! the database or in a backup, and one MAC key (HMAC-SHA-256) makes blind indexes and signs links. Token and data
//! keys rotate: put a higher-numbered file beside the old ones; the newest is used, all are accepted until their file
//! is removed. The MAC key does not rotate by itself: a new one needs every blind index computed again.
//!
//! A folder of keys holds `token-1.pem`, `data-1.key`, `mac.key`; a `.key` is 32 bytes as 64 hex digits.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use sha2::Sha256;

use super::clock::Clock;

/// Everything in front of the 32 secret bytes in a PKCS #8 (RFC 5958) file of an Ed25519 key (RFC 8410).
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// First byte of everything sealed; another way of sealing takes another one.
const SEAL_VERSION: u8 = 1;
const KEY_ID_LEN: usize = 4;
const NONCE_LEN: usize = 12;

/// Why the keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is not there or not ours to read or write.
    #[error("cannot use the key file {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not hold such a key.
    #[error("{} is not {wanted}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// Some keys are there and this one is not: making a new one would lock away what the old one sealed.
    #[error("{} holds keys but no {missing}: restore it from the backup", folder.display())]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// The kind of file.
        missing: &'static str,
    },
}

/// A sealed value cannot be opened: altered, sealed for another purpose, or by a key that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value cannot be opened")]
pub struct CannotOpen;

/// Where the keys are when they are not in one folder. Each list has the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// Ed25519 private keys, PKCS #8 PEM.
    pub token: Vec<PathBuf>,
    /// Keys that seal data.
    pub data: Vec<PathBuf>,
    /// The key of blind indexes and links.
    pub mac: PathBuf,
}

/// All keys of a running service. Its `Debug` shows none of them.
pub struct Keys {
    clock: Clock,
    token: TokenKey,
    old_tokens: Vec<TokenKey>,
    data: DataKey,
    old_data: Vec<DataKey>,
    mac: [u8; 32],
}

struct TokenKey {
    encoding: EncodingKey,
    decoding: DecodingKey,
    jwk: Jwk,
    id: String,
}

struct DataKey {
    id: [u8; KEY_ID_LEN],
    secret: [u8; 32],
}

impl Keys {
    /// Loads the keys of a folder; an absent or empty one gets new keys (folder 0700, files 0600).
    ///
    /// Refuses a folder that holds only some: new keys beside old data would hide a loss.
    pub fn from_folder(folder: &Path, clock: &Clock) -> Result<Self, KeyError> {
        let refused = |source| KeyError::File { path: folder.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refused)?;
        let mut names = list(folder).map_err(refused)?;
        if names.is_empty() {
            generate(folder, clock)?;
            names = list(folder).map_err(refused)?;
        }
        let missing = |missing| KeyError::Incomplete { folder: folder.to_owned(), missing };
        let newest_first = |prefix: &str, suffix: &str| {
            let number = |name: &String| name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse::<u32>().ok();
            let mut found: Vec<_> = names.iter().filter_map(|name| Some((number(name)?, folder.join(name)))).collect();
            found.sort();
            found.into_iter().rev().map(|(_, path)| path).collect::<Vec<_>>()
        };
        let files = KeyFiles {
            token: newest_first("token-", ".pem"),
            data: newest_first("data-", ".key"),
            mac: folder.join("mac.key"),
        };
        if files.token.is_empty() {
            return Err(missing("token-<number>.pem"));
        }
        if files.data.is_empty() {
            return Err(missing("data-<number>.key"));
        }
        if !files.mac.exists() {
            return Err(missing("mac.key"));
        }
        Self::from_files(&files, clock)
    }

    /// Loads the keys of named files, such as mounted secrets. Makes none.
    pub fn from_files(files: &KeyFiles, clock: &Clock) -> Result<Self, KeyError> {
        let none = |wanted| KeyError::NotAKey { path: PathBuf::new(), wanted };
        let mut tokens =
            files.token.iter().map(|path| TokenKey::read(path)).collect::<Result<Vec<_>, _>>()?.into_iter();
        let mut data = files.data.iter().map(|path| DataKey::read(path)).collect::<Result<Vec<_>, _>>()?.into_iter();
        Ok(Self {
            clock: clock.clone(),
            token: tokens.next().ok_or_else(|| none("a token key"))?,
            old_tokens: tokens.collect(),
            data: data.next().ok_or_else(|| none("a data key"))?,
            old_data: data.collect(),
            mac: read_secret(&files.mac)?,
        })
    }

    /// The key that signs tokens now, and its id for the header.
    pub fn signing(&self) -> (&str, &EncodingKey) {
        (&self.token.id, &self.token.encoding)
    }

    /// The key with an id, when it still counts. Never a key that the token itself brings.
    pub fn verifying(&self, id: &str) -> Option<&DecodingKey> {
        self.tokens().find(|key| key.id == id).map(|key| &key.decoding)
    }

    /// The public halves of all token keys, for those who verify our tokens (RFC 7517).
    pub fn jwks(&self) -> JwkSet {
        JwkSet { keys: self.tokens().map(|key| key.jwk.clone()).collect() }
    }

    fn tokens(&self) -> impl Iterator<Item = &TokenKey> {
        std::iter::once(&self.token).chain(&self.old_tokens)
    }

    /// Seals a value for one purpose, such as `"payee.iban"`; it opens for that purpose only.
    ///
    /// The result is `version ‖ key id ‖ nonce ‖ ciphertext and tag`: 33 bytes longer than the value. Sealing twice
    /// gives two different results; to find a value, keep its [`blind_index`](Self::blind_index).
    pub fn seal(&self, purpose: &str, plaintext: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = self.clock.random_bytes();
        let mut sealed = vec![SEAL_VERSION];
        sealed.extend(self.data.id);
        let aad = sealed.clone();
        sealed.extend(nonce);
        let payload = Payload { msg: plaintext, aad: &aad };
        match self.data.cipher(purpose).encrypt(&Nonce::from(nonce), payload) {
            Ok(ciphertext) => sealed.extend(ciphertext),
            // The only refusal is a message beyond 64 GiB, which does not fit into a slice that anyone seals.
            Err(aes_gcm::Error) => unreachable!("a value of {} bytes was sealed", plaintext.len()),
        }
        sealed
    }

    /// Opens what [`seal`](Self::seal) made, with whichever key sealed it.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let (aad, rest) = sealed.split_at_checked(1 + KEY_ID_LEN).ok_or(CannotOpen)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(CannotOpen)?;
        let (&version, id) = aad.split_first().ok_or(CannotOpen)?;
        let mut keys = std::iter::once(&self.data).chain(&self.old_data);
        let key = keys.find(|key| key.id == *id).filter(|_| version == SEAL_VERSION).ok_or(CannotOpen)?;
        let payload = Payload { msg: ciphertext, aad };
        key.cipher(purpose).decrypt(&Nonce::from(*nonce), payload).map_err(|aes_gcm::Error| CannotOpen)
    }

    /// Whether a value was sealed by the newest key; others are to be sealed again before their key is removed.
    pub fn is_sealed_by_newest(&self, sealed: &[u8]) -> bool {
        sealed.first() == Some(&SEAL_VERSION) && sealed.get(1..=KEY_ID_LEN) == Some(self.data.id.as_slice())
    }

    /// A stand-in by which equal values of one purpose can be found without being readable.
    pub fn blind_index(&self, purpose: &str, value: &[u8]) -> [u8; 32] {
        mac(&self.mac, "index", purpose, value).finalize().into_bytes().into()
    }

    /// The proof in a link that we sent, for one purpose, such as `"order.confirm"`.
    pub fn sign_link(&self, purpose: &str, content: &[u8]) -> [u8; 32] {
        mac(&self.mac, "link", purpose, content).finalize().into_bytes().into()
    }

    /// Whether a link's proof is ours; takes the same time whatever is wrong with it.
    pub fn is_link_ours(&self, purpose: &str, content: &[u8], proof: &[u8]) -> bool {
        mac(&self.mac, "link", purpose, content).verify_slice(proof).is_ok()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("token", &self.token.id).finish_non_exhaustive()
    }
}

impl TokenKey {
    fn read(path: &Path) -> Result<Self, KeyError> {
        let refused = || KeyError::NotAKey { path: path.to_owned(), wanted: "an Ed25519 private key in PKCS #8 PEM" };
        let pem = fs::read(path).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
        let encoding = EncodingKey::from_ed_pem(&pem).map_err(|_not_one| refused())?;
        let mut jwk = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).map_err(|_not_one| refused())?;
        let id = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_not_one| refused())?;
        jwk.common.key_id = Some(id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|_not_one| refused())?;
        Ok(Self { encoding, decoding, jwk, id })
    }
}

impl DataKey {
    fn read(path: &Path) -> Result<Self, KeyError> {
        let secret = read_secret(path)?;
        let digest: [u8; 32] = mac(&secret, "key id", "", &[]).finalize().into_bytes().into();
        let (id, _) = digest.split_first_chunk().unwrap_or((&[0; KEY_ID_LEN], &[]));
        Ok(Self { id: *id, secret })
    }

    /// One key for each purpose: a value moved to another column does not open there, and the limit of random
    /// nonces under one key (2^32 messages, NIST SP 800-38D) counts for each purpose apart.
    fn cipher(&self, purpose: &str) -> Aes256Gcm {
        Aes256Gcm::new(&mac(&self.secret, "seal", purpose, &[]).finalize().into_bytes())
    }
}

/// HMAC over use, purpose and value, each with its length in front, so that no two triples collide.
fn mac(key: &[u8; 32], usage: &str, purpose: &str, value: &[u8]) -> Hmac<Sha256> {
    // HMAC fills a short key up with zeros to the block of the hash (RFC 2104); done here, it cannot fail.
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new(&block.into());
    for part in [b"umbel/v1", usage.as_bytes(), purpose.as_bytes(), value] {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac
}

fn read_secret(path: &Path) -> Result<[u8; 32], KeyError> {
    let text = fs::read_to_string(path).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
    parse_hex(text.trim()).ok_or(KeyError::NotAKey { path: path.to_owned(), wanted: "32 bytes as 64 hex digits" })
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// The names of the key files in a folder; half-written ones are not among them.
fn list(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let is_key = |name: &String| Path::new(name).extension().is_some_and(|end| end == "pem" || end == "key");
    Ok(names.collect::<io::Result<Vec<_>>>()?.into_iter().filter(is_key).collect())
}

fn generate(folder: &Path, clock: &Clock) -> Result<(), KeyError> {
    let mut der = PKCS8_PREFIX.to_vec();
    der.extend(clock.random_bytes::<32>());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    let secret =
        || clock.random_bytes::<32>().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")) + "\n";
    for (name, text) in [("mac.key", secret()), ("data-1.key", secret()), ("token-1.pem", pem)] {
        let path = folder.join(name);
        keep_new(&path, text.as_bytes()).map_err(|source| KeyError::File { path, source })?;
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| KeyError::File { path: folder.to_owned(), source })
}

/// Writes a file whole or not at all, and never over one that is there: two programs then agree on one key.
fn keep_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let writing = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&writing)?;
    file.write_all(content)?;
    file.sync_all()?;
    let linked = fs::hard_link(&writing, path);
    fs::remove_file(&writing)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jsonwebtoken::{Header, Validation, decode, encode};
    use serde_json::{Value, json};

    use super::*;

    fn keys(folder: &Path) -> Keys {
        Keys::from_folder(folder, &Clock::system()).unwrap()
    }

    fn token(keys: &Keys) -> String {
        let (id, key) = keys.signing();
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &json!({ "sub": "ann", "exp": 4_000_000_000_u64 }), key).unwrap()
    }

    fn accepts(keys: &Keys, token: &str) -> bool {
        let id = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        let key = keys.verifying(&id);
        key.is_some_and(|key| decode::<Value>(token, key, &Validation::new(Algorithm::EdDSA)).is_ok())
    }

    #[test]
    fn new_keys_are_for_us_alone_and_the_same_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let first = keys(&path);
        let again = keys(&path);
        assert_eq!(again.open("x", &first.seal("x", b"BE68")).unwrap(), b"BE68");
        assert_eq!(again.blind_index("x", b"BE68"), first.blind_index("x", b"BE68"));
        assert!(accepts(&again, &token(&first)));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let names = list(&path).unwrap();
        assert_eq!(names.len(), 3);
        for name in names {
            assert_eq!(fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn two_programs_that_start_at_once_agree_on_the_keys() {
        let folder = tempfile::tempdir().unwrap();
        let made: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| generate(folder.path(), &Clock::system()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().any(Result::is_ok));
        assert_eq!(list(folder.path()).unwrap().len(), 3);
        assert!(keys(folder.path()).verifying("another").is_none());
    }

    #[test]
    fn a_folder_that_lost_a_key_is_not_filled_up() {
        for lost in ["token-1.pem", "data-1.key", "mac.key"] {
            let folder = tempfile::tempdir().unwrap();
            keys(folder.path());
            fs::remove_file(folder.path().join(lost)).unwrap();
            let error = Keys::from_folder(folder.path(), &Clock::system()).unwrap_err();
            assert!(matches!(error, KeyError::Incomplete { .. }), "{lost}: {error}");
            assert!(!folder.path().join(lost).exists());
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        keys(folder.path());
        for (name, text) in
            [("mac.key", "zz"), ("data-1.key", "é2345678901234567890123456789012"), ("token-1.pem", "hm")]
        {
            let path = folder.path().join(name);
            let kept = fs::read(&path).unwrap();
            fs::write(&path, text).unwrap();
            let error = Keys::from_folder(folder.path(), &Clock::system()).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains(text), "{error}");
            fs::write(&path, kept).unwrap();
        }
    }

    #[test]
    fn a_newer_token_key_signs_and_the_older_one_verifies_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let before = keys(folder.path());
        let old = token(&before);
        keys(other.path());
        fs::copy(other.path().join("token-1.pem"), folder.path().join("token-10.pem")).unwrap();
        let both = keys(folder.path());
        assert_ne!(both.signing().0, before.signing().0);
        assert!(accepts(&both, &old) && accepts(&both, &token(&both)));
        assert!(!accepts(&before, &token(&both)), "a key that nobody knows does not count");
        assert_eq!(both.jwks().keys.len(), 2);
        fs::remove_file(folder.path().join("token-1.pem")).unwrap();
        assert!(!accepts(&keys(folder.path()), &old));
    }

    #[test]
    fn the_key_set_shows_public_halves_only() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path());
        let set = serde_json::to_value(keys.jwks()).unwrap();
        let key = &set["keys"][0];
        assert_eq!(key["kid"], keys.signing().0);
        assert_eq!(
            (&key["kty"], &key["crv"], &key["use"], &key["alg"]),
            (&json!("OKP"), &json!("Ed25519"), &json!("sig"), &json!("EdDSA"))
        );
        assert!(key.get("d").is_none());
    }

    #[test]
    fn rotated_data_keys_open_the_old_and_seal_with_the_new() {
        let folder = tempfile::tempdir().unwrap();
        let before = keys(folder.path());
        let old = before.seal("x", b"value");
        fs::write(folder.path().join("data-2.key"), "5f".repeat(32)).unwrap();
        let both = keys(folder.path());
        assert_eq!(both.open("x", &old).unwrap(), b"value");
        assert!(!both.is_sealed_by_newest(&old) && both.is_sealed_by_newest(&both.seal("x", b"value")));
        assert_eq!(before.open("x", &both.seal("x", b"value")), Err(CannotOpen));
    }

    #[test]
    fn any_altered_bit_any_cut_and_any_other_purpose_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path());
        let sealed = keys.seal("payee.iban", b"BE68539007547034");
        assert_eq!(sealed.len(), 16 + 33);
        assert!(!sealed.windows(4).any(|part| part == b"5390"));
        assert_ne!(sealed, keys.seal("payee.iban", b"BE68539007547034"), "a fresh nonce each time");
        assert_eq!(keys.open("payee.name", &sealed), Err(CannotOpen));
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.open("payee.iban", &altered), Err(CannotOpen), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert_eq!(keys.open("payee.iban", &sealed[..len]), Err(CannotOpen), "cut to {len}");
        }
        assert_eq!(keys.open("payee.iban", &keys.seal("payee.iban", b"")).unwrap(), b"");
    }

    #[test]
    fn indexes_and_links_of_different_purposes_have_nothing_in_common() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path());
        let proof = keys.sign_link("order.confirm", b"7");
        assert!(keys.is_link_ours("order.confirm", b"7", &proof));
        assert!(!keys.is_link_ours("order.confirm", b"8", &proof));
        assert!(!keys.is_link_ours("order.decline", b"7", &proof));
        assert!(
            !keys.is_link_ours("order.confirm", b"7", &proof[..31]) && !keys.is_link_ours("order.confirm", b"7", b"")
        );
        assert_ne!(keys.blind_index("a", b"bc"), keys.blind_index("ab", b"c"), "the border is part of what is signed");
        assert_ne!(keys.blind_index("order.confirm", b"7"), proof);
    }

    #[test]
    fn the_mac_is_the_hmac_of_rfc_2104() {
        // Computed apart: python3 -c "import hmac; ..." over the four parts, each behind its length as 8 bytes.
        let tag: [u8; 32] = mac(&[7; 32], "index", "iban", b"x").finalize().into_bytes().into();
        assert_eq!(Some(tag), parse_hex("3b3311a7f7bdef736e79b60f9366d6d7878ed3e3f7521172bdaad9741b7c00d2"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path());
        let shown = format!("{keys:?}");
        assert_eq!(shown, format!("Keys {{ token: {:?}, .. }}", keys.signing().0));
    }
}
