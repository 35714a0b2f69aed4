//! A fresh proof that the person at a signed-in device is who signed in: asked for before what a thief would do first.
//!
//! A proof is made outside of transactions, because checking one is slow on purpose, and confirmed in the transaction
//! of what it is for. Whoever has a second factor shows a code of it too: a password alone is what a thief has.

use chrono::{DateTime, Duration, Utc};

use super::{Passwords, factors};
use crate::kernel::ids::PersonId;
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;

/// How long a proof is fresh.
const FRESH: Duration = Duration::minutes(5);

/// What somebody shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Their password.
    pub password: String,
    /// A code of their second factor; needed where they have one.
    pub code: Option<String>,
}

/// That somebody has just shown who they are. Only [`prove`] makes one.
#[derive(Debug, Clone)]
pub struct Proof {
    person: PersonId,
    code: Option<String>,
    at: DateTime<Utc>,
}

/// Checks the password that the signed-in person shows. Failures count as failures to sign in do, and make the address
/// wait. The code is checked where the proof is used, so that it is spent with what it is for and a repeated request
/// needs no other one.
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
    if shown.password.chars().count() > super::rules::PASSWORD_MAX {
        return Err(Error::field("/current_password", "too_long"));
    }
    if !passwords.check(shown.password, Some(person.password_hash)).await? {
        db.write(actor, move |tx| super::failed(tx, &person.email)).await?;
        return Err(Error::field("/current_password", "invalid"));
    }
    Ok(Proof { person: me, code: shown.code, at: db.clock().now() })
}

/// Confirms in a transaction that a proof is the signed-in person's and fresh, and takes the code of their second factor
/// where they have one. Answers what was shown: `password` or `second_factor`.
///
/// # Errors
/// 403 `step_up_required`; 409 `second_factor_code_used`; 422 for a code that is missing or wrong; 429 after wrong codes.
pub fn confirm(tx: &mut Tx<'_>, keys: &Keys, proof: &Proof) -> Result<&'static str> {
    let age = tx.now().signed_duration_since(proof.at);
    if tx.person()? != proof.person || age > FRESH || age < -FRESH {
        return Err(Error::forbidden("step_up_required"));
    }
    if !factors::is_confirmed(tx)? {
        return Ok("password");
    }
    let code = proof.code.as_deref().ok_or_else(|| Error::field("/code", "required"))?;
    factors::show(tx, keys, code)?;
    Ok("second_factor")
}
