//! What registering takes and gives, and how a collector is.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{ApiError, Detail};

/// Longest name, host name and version, in characters.
const TEXT_CHARACTERS_MOST: usize = 255;
/// Silent for longer than this is offline: five of the usual pushes.
const OFFLINE_AFTER: Duration = Duration::from_secs(300);

/// A collector that wants to deliver.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Shown in the product.
    pub name: String,
    /// The machine it runs on.
    pub hostname: String,
    /// Its version.
    pub version: Option<String>,
    /// A certificate signing request: not supported yet, refused with `not_supported`.
    pub csr: Option<String>,
}

impl Registration {
    /// What is wrong with it.
    ///
    /// # Errors
    /// 400 with each field; 422 for a `csr`.
    pub fn check(&self) -> Result<(), ApiError> {
        let texts =
            [("name", Some(&self.name)), ("hostname", Some(&self.hostname)), ("version", self.version.as_ref())];
        let mut details = Vec::new();
        for (path, text) in texts {
            let fits = text.is_none_or(|given| {
                (1..=TEXT_CHARACTERS_MOST).contains(&given.chars().count()) && !given.chars().any(char::is_control)
            });
            if !fits {
                details.push(Detail::new(path, format!("expected 1 to {TEXT_CHARACTERS_MOST} characters")));
            }
        }
        if details.is_empty()
            && let Err(reason) = catalog::names::check(&self.name, TEXT_CHARACTERS_MOST)
        {
            details.push(Detail::new("name", reason));
        }
        if !details.is_empty() {
            return Err(ApiError::invalid(details));
        }
        if self.csr.is_some() {
            let message = "Certificates are not supported yet: register without csr.";
            return Err(ApiError::unprocessable("not_supported", message));
        }
        Ok(())
    }
}

/// What a collector needs to deliver.
#[derive(Debug, Serialize, ToSchema)]
pub struct Credentials {
    /// The collector's id.
    pub collector_id: Uuid,
    /// For `Authorization: Bearer`. Shown once.
    pub token: String,
    /// When the token expires.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// A new token for a collector.
#[derive(Debug, Serialize, ToSchema)]
pub struct Renewed {
    /// For `Authorization: Bearer`. Shown once.
    pub token: String,
    /// When the token expires.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// How a collector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has not been heard from yet.
    Registered,
    /// It was heard from lately.
    Active,
    /// It has been silent for five minutes or more.
    Offline,
    /// The last thing heard from it was a failure.
    Error,
}

impl Status {
    /// From when it was last heard from, and whether that was a failure.
    #[must_use]
    pub fn of(last_seen: Option<Timestamp>, failed: bool, now: Timestamp) -> Self {
        match last_seen {
            None => Self::Registered,
            Some(seen) if now.duration_since(seen).unsigned_abs() >= OFFLINE_AFTER && now > seen => Self::Offline,
            Some(_) if failed => Self::Error,
            Some(_) => Self::Active,
        }
    }
}

/// A collector as others see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Collector {
    /// The collector's id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The machine it runs on.
    pub hostname: String,
    /// Its version.
    pub version: Option<String>,
    /// How it is.
    pub status: Status,
    /// When it registered.
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
    /// When it was heard from last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// When its newest token expires.
    #[schema(value_type = String, format = DateTime)]
    pub token_expires_at: Timestamp,
    /// What went wrong last, while nothing has gone right since.
    pub last_error: Option<String>,
    /// When that was.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_error_at: Option<Timestamp>,
    /// What administrators say of it; templates are chosen by it.
    pub labels: BTreeMap<String, String>,
    /// The newest version of the configuration that it is to follow; null where there is none.
    pub config_version: Option<i64>,
    /// The version that it follows; null where it says of none.
    pub config_in_force: Option<i64>,
    /// The version that it cannot follow.
    pub config_refused: Option<i64>,
    /// Why it does not follow its newest configuration, also where that is a file of its own; null while it does.
    pub config_error: Option<String>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub config_error_since: Option<Timestamp>,
    /// How many instances it reads; null while the store of measurements does not answer.
    pub instances: Option<usize>,
    /// From the end of the cycle to the commit, of the batch that was stored last; null before the first one.
    pub lag_ms: Option<f64>,
    /// How far its machine's clock is ahead of the server's, negative where it is behind; null where that is not known.
    /// What it reads is stored at the right time all the same.
    pub clock_ahead_ms: Option<f64>,
    /// That in a sentence, where it is more than the network's doing.
    pub clock_message: Option<String>,
    /// Rows that it lost within the last 24 hours.
    pub discarded_rows: Option<i64>,
    /// Readings that failed and have not succeeded since.
    pub errors: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_from_what_was_heard() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let ago = |seconds: u64| Some(now - Duration::from_secs(seconds));
        assert_eq!(Status::of(None, false, now), Status::Registered);
        assert_eq!(Status::of(ago(299), false, now), Status::Active);
        assert_eq!(Status::of(ago(300), false, now), Status::Offline);
        assert_eq!(Status::of(ago(10), true, now), Status::Error);
        assert_eq!(Status::of(ago(900), true, now), Status::Offline);
        // A server whose clock was set back has not lost its collectors.
        assert_eq!(Status::of(Some(now + Duration::from_secs(900)), false, now), Status::Active);
    }
}
