//! What follows an issue on the way to the client: handing the electronic form over, and asking what became of it.

use super::access_point::{AccessPoint, Answer, NoAnswer};
use super::{Begun, begin_hand_over, end_without_answer, store, take_answer};
use crate::kernel::ids::DeliveryId;
use crate::platform::db::{Actor, Db};
use crate::platform::error::{Error, Result};

/// Hands a document to the access point, once. A try that died in the middle is asked about and never repeated.
///
/// # Errors
/// 503 when it was certainly not handed over, so that the job is tried again; fails with the database.
pub fn deliver(db: &Db, point: &dyn AccessPoint, id: DeliveryId) -> Result<()> {
    let begun = db.write_blocking(&Actor::System, |tx| begin_hand_over(tx, id))?;
    let _survived = db.faults().passes("deliver.before_send");
    let ended: Result<Answer, NoAnswer> = match begun {
        Begun::Nothing => return Ok(()),
        Begun::Send(slip, xml) => point.send(&slip, &xml),
        Begun::Ask(slip) => match point.ask(&slip) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(NoAnswer::Unknown("the program stopped while it was being sent".to_owned())),
            Err(NoAnswer::NotSent(why) | NoAnswer::Unknown(why)) => Err(NoAnswer::Unknown(why)),
        },
    };
    let _survived = db.faults().passes("deliver.after_send");
    match ended {
        Ok(answer) => db.write_blocking(&Actor::System, |tx| take_answer(tx, id, &answer)),
        Err(why) => {
            db.write_blocking(&Actor::System, |tx| end_without_answer(tx, id, &why))?;
            match why {
                NoAnswer::NotSent(_) => Err(Error::unavailable(why)),
                NoAnswer::Unknown(_) => Ok(()),
            }
        }
    }
}

/// Asks the access point about everything that is under way. Stops at the first question without an answer: the next
/// look asks again.
///
/// # Errors
/// Fails with the database.
pub fn collect_answers(db: &Db, point: &dyn AccessPoint) -> Result<()> {
    for slip in db.write_blocking(&Actor::System, store::list_to_ask)? {
        match point.ask(&slip) {
            Ok(Some(answer)) => db.write_blocking(&Actor::System, |tx| take_answer(tx, slip.key, &answer))?,
            Ok(None) => {}
            Err(why) => {
                tracing::warn!(delivery = %slip.key, error = %why, "the access point does not answer");
                return Ok(());
            }
        }
    }
    Ok(())
}
