//! Why a set is not read, as the collector says it: what the instance does not have, what is switched off, what the role may
//! not read, what fails, and what was not asked for yet are told apart wherever something was not read.

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Error;

use crate::gaps::GapReason;
use crate::reader::{InstanceId, Snapshot};

/// How a set stands at an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is read, or nothing is said of it and of others neither.
    #[default]
    Read,
    /// The collector speaks of others, and not of this one.
    Unknown,
    /// It is not read.
    Unread {
        /// As in coverage.
        code: String,
        /// A sentence.
        message: String,
        /// From when on that was said.
        since: Timestamp,
    },
}

const STANDING: &str = "select s.code, s.message, s.since, s.state in ('missing', 'error')
    from metrics.set_states s where s.instance_id = $1 and s.set_name = $2 and s.column_name = ''";
const OTHERS: &str = "select exists (select from metrics.set_states s where s.instance_id = $1)";

impl Standing {
    pub(crate) async fn read(snapshot: &Snapshot, id: InstanceId, set: &str) -> Result<Self, Error> {
        if let Some(row) = snapshot.query(STANDING, &[&id, &set]).await?.first() {
            let unread = || Self::Unread { code: row.get(0), message: row.get(1), since: row.get(2) };
            return Ok(if row.get(3) { unread() } else { Self::Read });
        }
        let others: bool = snapshot.query_one(OTHERS, &[&id]).await?.get(0);
        Ok(if others { Self::Unknown } else { Self::Read })
    }

    /// Whether the instance does not have it, so that nothing is missing.
    pub(crate) fn is_beside(&self) -> bool {
        matches!(self, Self::Unread { code, .. } if matches!(code.as_str(), "version" | "role" | "machine"))
    }

    /// Whether it explains a time that begins then and goes on, give or take a little.
    pub(crate) fn explains(&self, from: Timestamp, usual: SignedDuration) -> bool {
        match self {
            Self::Read => false,
            Self::Unknown => true,
            Self::Unread { since, .. } => since.duration_since(from) <= usual * 2,
        }
    }

    /// The reason, and what follows `… was not read since …`.
    pub(crate) fn reason(&self) -> (GapReason, String) {
        match self {
            Self::Read => (GapReason::NotRead, "it was not asked for yet".to_owned()),
            Self::Unknown => {
                let why = "the collector does not speak of it, because it is of an earlier version or has just begun";
                (GapReason::NotRead, why.to_owned())
            }
            Self::Unread { code, message, .. } => {
                let reason = match code.as_str() {
                    "disabled" | "approval" => GapReason::SwitchedOff,
                    "privilege" => GapReason::NoRight,
                    "failed" => GapReason::Failed,
                    _ => GapReason::NotAvailable,
                };
                (reason, inside(message))
            }
        }
    }

    /// Why there is nothing of a range, where the collector says so.
    pub(crate) fn nothing(&self) -> Option<String> {
        matches!(self, Self::Unread { .. }).then(|| format!("Not measured: {}.", self.reason().1))
    }
}

/// A sentence as part of another one.
fn inside(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    let Some(first) = letters.next() else { return String::new() };
    let rest = letters.as_str();
    // A word in capitals, and one of our own names, stay.
    if rest.starts_with(|letter: char| letter.is_lowercase() || letter == ' ') {
        first.to_lowercase().chain(rest.chars()).collect()
    } else {
        format!("{first}{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread(code: &str, message: &str) -> Standing {
        Standing::Unread { code: code.to_owned(), message: message.to_owned(), since: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn reasons_are_told_apart() {
        let told = |code: &str, message: &str| unread(code, message).reason();
        let version = told("version", "Needs PostgreSQL 16; here is 15.2.");
        assert_eq!(version, (GapReason::NotAvailable, "needs PostgreSQL 16; here is 15.2".to_owned()));
        let off = told("disabled", "Switched off in the collector's configuration.");
        assert_eq!(off, (GapReason::SwitchedOff, "switched off in the collector's configuration".to_owned()));
        assert_eq!(told("privilege", "The collector's role may not read it.").0, GapReason::NoRight);
        assert_eq!(told("failed", "PG: x").1, "PG: x");
        assert_eq!(Standing::Unknown.reason().0, GapReason::NotRead);
        assert_eq!(Standing::Read.reason().0, GapReason::NotRead);
    }

    #[test]
    fn what_an_instance_does_not_have_is_not_missing() {
        let beside = |code: &str| unread(code, "").is_beside();
        assert!(["version", "role", "machine"].into_iter().all(beside));
        assert!(!["disabled", "privilege", "failed", "extension", "setting"].into_iter().any(beside));
        assert_eq!(Standing::Read.nothing(), None);
        assert_eq!(Standing::Unknown.nothing(), None);
        let said = unread("version", "Needs PostgreSQL 16; here is 15.2.").nothing();
        assert_eq!(said.unwrap(), "Not measured: needs PostgreSQL 16; here is 15.2.");
    }
}
