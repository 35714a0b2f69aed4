//! Statements that each connection prepares once.
//!
//! Diesel prepares raw SQL, updates and upserts anew each time they run, because it cannot know whether their text
//! repeats: PostgreSQL then parses and plans them each time, which for the long ones takes longer than running them.
//! Whoever writes one knows. Its text must not contain values, or every connection collects plans without end.

use diesel::RunQueryDsl;
use diesel::connection::{DefaultLoadingMode, LoadConnection};
use diesel::expression::QueryMetadata;
use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;

/// A statement whose text is always the same.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<Q>(Q);

/// Marks a statement whose text is always the same.
pub trait Prepare: Sized {
    /// Prepares it once a connection. Binds are values; the text must not contain any.
    fn prepared(self) -> Prepared<Self> {
        Prepared(self)
    }
}

impl<Q: QueryFragment<Pg>> Prepare for Q {}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Prepared<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _backend: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q> QueryId for Prepared<Q> {
    type QueryId = ();
    // The key is the text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Prepared<Q> {
    type SqlType = Q::SqlType;
}

impl<Q> RunQueryDsl<PgConnection> for Prepared<Q> {}

impl<Q> Prepared<Q>
where
    Q: Query + QueryFragment<Pg>,
    Pg: QueryMetadata<Q::SqlType>,
{
    /// Runs it for what it does.
    ///
    /// Not by diesel's own `execute`: that hands on a reference, and a reference answers by the parts of a statement
    /// whether it may be kept, not by what is said here.
    ///
    /// # Errors
    /// What PostgreSQL refuses.
    pub fn execute(self, conn: &mut PgConnection) -> QueryResult<()> {
        LoadConnection::<DefaultLoadingMode>::load(conn, self).map(drop)
    }
}
