//! A connection for work that may be given up in the middle.

use std::ops::{Deref, DerefMut};

use deadpool_postgres::Object;

use crate::{Store, StoreError};

/// Lets the store end a statement soon after the machine or the process that waits for it is gone.
const NOTICE_GONE: &str = "set client_connection_check_interval = '5s'";

/// A connection that goes back to its pool only when [`Working::done`] says so: otherwise a statement may still run
/// on it, and it is closed.
pub(crate) struct Working(Option<Object>);

impl Store {
    /// A connection for work.
    pub(crate) async fn working_client(&self) -> Result<Working, StoreError> {
        let client = Working(Some(self.client().await?));
        // Not every system can: there the statement runs to its end.
        let _ = client.simple_query(NOTICE_GONE).await;
        Ok(client)
    }
}

impl Working {
    /// Gives the connection back: all its statements were answered.
    pub(crate) fn done(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Working {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.0.as_ref().expect("it is taken only when this goes")
    }
}

impl DerefMut for Working {
    fn deref_mut(&mut self) -> &mut Object {
        self.0.as_mut().expect("it is taken only when this goes")
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}
