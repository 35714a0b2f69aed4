//! Who may call a handler, as the type of its argument. A sixth kind of file because handlers everywhere take these.

use std::future::{Ready, ready};
use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::tokens::TokenService;
use crate::kernel::ids::{PersonId, SessionId};
use crate::kernel::roles::Role;
use crate::platform::db::Actor;
use crate::platform::error::{Error, Result};
use crate::platform::web::limits::Kind;
use crate::platform::web::{self, RateLimits};

/// The roles that open a door.
pub trait Door: 'static {
    /// One of these is needed; none means that being signed in is enough.
    const ROLES: &'static [Role];
}

/// Somebody whose token is valid. Session and roles are checked again inside the transaction.
#[derive(Debug, Clone)]
pub struct Caller<D> {
    person: PersonId,
    session: SessionId,
    generation: i32,
    facts: web::RequestFacts,
    door: PhantomData<D>,
}

impl<D> Caller<D> {
    /// Who calls.
    #[must_use]
    pub fn person(&self) -> PersonId {
        self.person
    }

    /// From which device.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }
}

impl<D: Door> From<Caller<D>> for Actor {
    fn from(caller: Caller<D>) -> Self {
        Self::Session {
            session: caller.session,
            generation: caller.generation,
            roles: D::ROLES,
            request: caller.facts.id,
            address: caller.facts.address,
        }
    }
}

impl<D: Door> FromRequest for Caller<D> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(authenticate(request))
    }
}

fn authenticate<D>(request: &HttpRequest) -> Result<Caller<D>> {
    let facts = web::facts(request);
    let token = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.strip_prefix("Bearer "))
        .ok_or_else(|| Error::unauthorized("token_missing"))?;
    let tokens = request.app_data::<Data<TokenService>>().ok_or_else(|| Error::internal("no token service"))?;
    let bearer = tokens.read(token.trim())?;
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    take(request, if is_read { Kind::Read } else { Kind::Write }, &bearer.person.to_string())?;
    Ok(Caller {
        person: bearer.person,
        session: bearer.session,
        generation: bearer.generation,
        facts,
        door: PhantomData,
    })
}

fn take(request: &HttpRequest, kind: Kind, who: &str) -> Result<()> {
    let limits = request.app_data::<Data<RateLimits>>().ok_or_else(|| Error::internal("no limits"))?;
    let allowance = limits.take(kind, who)?;
    request.extensions_mut().insert(allowance);
    Ok(())
}

/// Somebody who is not signed in: limited by address.
#[derive(Debug, Clone)]
pub struct Visitor {
    facts: web::RequestFacts,
    /// What their program calls itself.
    pub user_agent: String,
}

impl Visitor {
    /// The address they come from.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.facts.address
    }

    /// The actor of a transaction for somebody who holds a signed link.
    #[must_use]
    pub fn with_link(self) -> Actor {
        Actor::Public { kind: "link", request: self.facts.id, address: self.facts.address }
    }
}

impl From<Visitor> for Actor {
    fn from(visitor: Visitor) -> Self {
        Self::Public { kind: "public", request: visitor.facts.id, address: visitor.facts.address }
    }
}

impl FromRequest for Visitor {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let facts = web::facts(request);
        ready(take(request, Kind::Entry, &facts.address).map(|()| Self { facts, user_agent: web::user_agent(request) }))
    }
}

macro_rules! doors {
    ($($(#[$doc:meta])* $name:ident, $door:ident => [$($role:ident),*];)+) => {$(
        $(#[$doc])*
        pub type $name = Caller<$door>;

        #[doc = concat!("The door of [`", stringify!($name), "`].")]
        #[derive(Debug, Clone)]
        pub struct $door;

        impl Door for $door {
            const ROLES: &'static [Role] = &[$(Role::$role),*];
        }
    )+};
}

doors! {
    /// Anybody who is signed in.
    SignedIn, SignedInDoor => [];
    /// A member.
    Member, MemberDoor => [Member];
    /// A member, about their own things, or anybody in the office.
    MemberOrDesk, MemberOrDeskDoor => [Member, Reviewer, PayoutApprover, Accountant, Administrator];
    /// A member, about their own things, or a reviewer, about anybody's.
    MemberOrReviewer, MemberOrReviewerDoor => [Member, Reviewer];
    /// Who writes the rules of the house down.
    ReviewerOrAdministrator, ReviewerOrAdministratorDoor => [Reviewer, Administrator];
    /// Anybody in the office, to look.
    Desk, DeskDoor => [Reviewer, PayoutApprover, Accountant, Administrator];
    /// A reviewer.
    Reviewer, ReviewerDoor => [Reviewer];
    /// Who looks at what arrived.
    ReviewerOrAccountant, ReviewerOrAccountantDoor => [Reviewer, Accountant];
    /// A payout approver.
    Approver, ApproverDoor => [PayoutApprover];
    /// Who may look at batches.
    ViewBatches, ViewBatchesDoor => [Reviewer, PayoutApprover, Accountant, Administrator];
    /// Who works on batches.
    BatchDesk, BatchDeskDoor => [Reviewer, PayoutApprover];
    /// Who decides what is risky, and how much may leave.
    RiskDesk, RiskDeskDoor => [PayoutApprover, Administrator];
    /// An accountant.
    Accountant, AccountantDoor => [Accountant];
    /// Who reads the books.
    BooksReader, BooksReaderDoor => [Accountant, Administrator];
    /// An administrator.
    Administrator, AdministratorDoor => [Administrator];
}
