//! What is wrong and stays so is logged when it begins or changes, every few minutes as long as it lasts, and when it is
//! over: a log that says the same every 10 seconds hides what else it says.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often what stays wrong is logged again.
const AGAIN: Duration = Duration::from_secs(300);

/// What something is wrong with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum About {
    /// The instance as a whole.
    Instance,
    /// The list of its databases.
    Databases,
    /// A database.
    Database(String),
    /// A set, in a database where it is read in each.
    Set(String, Option<String>),
}

/// What is wrong, and when it was last logged.
#[derive(Debug, Default)]
pub(super) struct Complaints(HashMap<About, (String, Instant)>);

impl Complaints {
    /// Whether this is to be logged.
    pub(super) fn is_news(&mut self, about: About, error: &str) -> bool {
        self.is_news_at(about, error, Instant::now())
    }

    fn is_news_at(&mut self, about: About, error: &str, now: Instant) -> bool {
        let last = self.0.get(&about);
        if last.is_some_and(|(said, at)| said == error && now.duration_since(*at) < AGAIN) {
            return false;
        }
        self.0.insert(about, (error.to_owned(), now));
        true
    }

    /// It works; whether it did not before.
    pub(super) fn is_over(&mut self, about: impl FnOnce() -> About) -> bool {
        !self.0.is_empty() && self.0.remove(&about()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_wrong_is_said_now_and_then() {
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        let mut is_news =
            |about: About, error, seconds| complaints.is_news_at(about, error, start + Duration::from_secs(seconds));
        assert!(is_news(About::Instance, "down", 0));
        assert!(!is_news(About::Instance, "down", 10));
        assert!(is_news(About::Instance, "password wrong", 20), "another reason");
        assert!(is_news(About::Databases, "down", 20), "something else");
        assert!(!is_news(About::Instance, "password wrong", 319) && is_news(About::Instance, "password wrong", 320));
        assert!(complaints.is_over(|| About::Instance) && !complaints.is_over(|| About::Instance));
        assert!(complaints.is_news_at(About::Instance, "password wrong", start));
    }
}
