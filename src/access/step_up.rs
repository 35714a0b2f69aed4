//! A fresh proof that the person at a signed-in device is who signed in: asked for before what a thief would do first.
//!
//! A proof is made outside of transactions, because checking one is slow on purpose, and confirmed in the transaction
//! of what it is for. Another kind of proof is another variant of [`Shown`].

use chrono::{DateTime, Duration, Utc};

use super::Passwords;
use crate::kernel::ids::PersonId;
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};

/// How long a proof is fresh.
const FRESH: Duration = Duration::minutes(5);

/// What somebody shows.
#[derive(Debug, Clone)]
pub enum Shown {
    /// Their password.
    Password(String),
}

/// That somebody has just shown who they are. Only [`prove`] makes one.
#[derive(Debug, Clone)]
pub struct Proof {
    person: PersonId,
    kind: &'static str,
    at: DateTime<Utc>,
}

impl Proof {
    /// What was shown: `password`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }
}

/// Checks what the signed-in person shows. Failures count as failures to sign in do, and make the address wait.
///
/// # Errors
/// 401, 403 as for any request of the actor; 422 for a wrong proof; 429 after too many.
pub async fn prove(db: &Db, passwords: &Passwords, actor: Actor, shown: Shown) -> Result<Proof> {
    let (me, attempt) = db
        .write(actor.clone(), |tx| {
            let me = tx.person()?;
            let email = super::person(tx, me)?.email;
            Ok((me, super::attempt(tx, &email)?))
        })
        .await?;
    if let Some(seconds) = attempt.wait {
        return Err(Error::new(actix_web::http::StatusCode::TOO_MANY_REQUESTS, "rate_limited").retry_after(seconds));
    }
    let person = attempt.person.ok_or_else(Error::not_found)?;
    match shown {
        Shown::Password(password) => {
            if password.chars().count() > super::rules::PASSWORD_MAX {
                return Err(Error::field("/current_password", "too_long"));
            }
            if !passwords.check(password, Some(person.password_hash)).await? {
                db.write(actor, move |tx| super::failed(tx, &person.email)).await?;
                return Err(Error::field("/current_password", "invalid"));
            }
            Ok(Proof { person: me, kind: "password", at: db.clock().now() })
        }
    }
}

/// Confirms in a transaction that a proof is the signed-in person's and fresh.
///
/// # Errors
/// 403 `step_up_required`.
pub fn confirm(tx: &mut Tx<'_>, proof: &Proof) -> Result<()> {
    let age = tx.now().signed_duration_since(proof.at);
    if tx.person()? == proof.person && age <= FRESH && age >= -FRESH {
        Ok(())
    } else {
        Err(Error::forbidden("step_up_required"))
    }
}
