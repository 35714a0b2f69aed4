//! Argon2id, a few at a time: a flood of sign-ins must not take the processors from everybody else.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::platform::clock::Clock;
use crate::platform::error::{Error, Result};

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    clock: Clock,
    /// Checked when an address is unknown, so that the answer takes as long.
    decoy: Arc<str>,
}

/// 19 MiB, two passes, one lane: the floor of OWASP's password storage guidance.
fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &str, salt: &[u8; 16]) -> Result<String> {
    let hash = argon2()?
        .hash_password_with_salt(password.as_bytes(), salt)
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(hash.to_string())
}

impl Passwords {
    /// Checks at most `jobs` passwords at the same time.
    ///
    /// # Errors
    /// Fails only if the parameters were wrong.
    pub fn new(jobs: usize, clock: Clock) -> Result<Self> {
        let decoy = hash_now("no account has this password", &clock.random_bytes())?.into();
        Ok(Self { turns: Arc::new(Semaphore::new(jobs.max(1))), clock, decoy })
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// Fails only if the process is ending.
    pub async fn hash(&self, password: String) -> Result<String> {
        let _turn = self.turns.acquire().await.map_err(Error::unavailable)?;
        let salt = self.clock.random_bytes();
        tokio::task::spawn_blocking(move || hash_now(&password, &salt)).await.map_err(Error::internal)?
    }

    /// Hashes a new password on the calling thread, for the command line.
    ///
    /// # Errors
    /// As [`Passwords::hash`].
    pub fn hash_blocking(&self, password: &str) -> Result<String> {
        hash_now(password, &self.clock.random_bytes())
    }

    /// Whether a password fits a hash; without one it takes as long and is always wrong.
    ///
    /// # Errors
    /// Fails only if the process is ending.
    pub async fn check(&self, password: String, hash: Option<String>) -> Result<bool> {
        let _turn = self.turns.acquire().await.map_err(Error::unavailable)?;
        let decoy = Arc::clone(&self.decoy);
        let fits = tokio::task::spawn_blocking(move || {
            let is_known = hash.is_some();
            let text = hash.unwrap_or_else(|| decoy.to_string());
            let parsed = PasswordHash::new(&text).map_err(|error| Error::internal(error.to_string()))?;
            Ok::<_, Error>(argon2()?.verify_password(password.as_bytes(), &parsed).is_ok() && is_known)
        });
        fits.await.map_err(Error::internal)?
    }
}
