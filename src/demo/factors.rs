//! The authenticators of everybody in a story: codes from the story's own clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::stage::{PASSWORD, Stage, text};
use super::{Client, DemoError};
use crate::access::factors::{STEP_SECONDS, code_at};

/// The authenticators by person.
#[derive(Clone, Default)]
pub struct Factors(Arc<Mutex<BTreeMap<String, Authenticator>>>);

#[derive(Clone)]
struct Authenticator {
    secret: String,
    /// The last step whose code was shown.
    last: u64,
}

impl Stage {
    /// Shows somebody's second factor for a command on a hash, and sets it up before if need be. Answers the proof.
    ///
    /// Each code counts once: when all that count now are used, a simulated clock goes on by half a minute, and the true
    /// one is waited for.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn prove(&self, who: &Client, operation: &str, sha256: &str) -> Result<String, DemoError> {
        let code = self.code(who)?;
        let id = who.new_id();
        let shown = json!({"id": id, "operation": operation, "sha256": sha256, "code": code});
        who.post("/v1/step_ups", &shown)?.expect(201)?;
        Ok(id)
    }

    /// The next code of somebody's authenticator, which is set up before if need be. It counts once.
    ///
    /// # Errors
    /// Says which step failed.
    pub fn code(&self, who: &Client) -> Result<String, DemoError> {
        let person = who.person_id.clone().ok_or_else(|| DemoError("nobody is signed in".to_owned()))?;
        let mut known = self.factors.0.lock().unwrap_or_else(PoisonError::into_inner);
        let authenticator = match known.get_mut(&person) {
            Some(found) => found,
            None => {
                let made = self.set_up(who)?;
                known.entry(person).or_insert(made)
            }
        };
        self.next_code(authenticator)
    }

    fn set_up(&self, who: &Client) -> Result<Authenticator, DemoError> {
        let asked = json!({"id": who.new_id(), "current_password": PASSWORD});
        who.post("/v1/me/second_factor", &asked)?.expect(201)?;
        let shown = who.get("/v1/me/second_factor/secret")?.expect(200)?;
        let mut made = Authenticator { secret: text(&shown, "secret")?, last: 0 };
        let code = self.next_code(&mut made)?;
        who.post("/v1/me/second_factor/confirm", &json!({"code": code}))?.expect(200)?;
        Ok(made)
    }

    /// The next code that was not shown yet, once it counts: from a step before the present one to a step after it.
    fn next_code(&self, of: &mut Authenticator) -> Result<String, DemoError> {
        let now = || u64::try_from(self.clock.now().timestamp()).unwrap_or_default() / STEP_SECONDS;
        let step = of.last.saturating_add(1).max(now().saturating_sub(1));
        while step > now().saturating_add(1) {
            let before = self.clock.now();
            self.clock.advance(chrono::Duration::seconds(i64::try_from(STEP_SECONDS).unwrap_or(30)));
            if self.clock.now().signed_duration_since(before) < chrono::Duration::seconds(1) {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        of.last = step;
        code_at(&of.secret, step.saturating_mul(STEP_SECONDS)).map_err(|error| DemoError(error.to_string()))
    }
}
