//! What has been learned and cannot be learned again from usage, since that is kept for a while only: bytes under a name.

use crate::{Error, Store, store::to_db};

impl Store {
    /// Keeps what has been learned under a name, in place of what was there.
    ///
    /// # Errors
    /// When the database fails; what was there is kept then.
    pub async fn keep_learned(&self, name: &str, at_ms: u64, state: &[u8]) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO learned (name, saved_at_ms, state) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET \
             saved_at_ms = excluded.saved_at_ms, state = excluded.state",
        )
        .bind(name)
        .bind(to_db(at_ms))
        .bind(state)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// What was kept under a name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn learned(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let state = sqlx::query_scalar("SELECT state FROM learned WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        Ok(state)
    }
}
