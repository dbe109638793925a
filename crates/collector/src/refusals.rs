//! Who refused, and when to ask again: ever more rarely, since nobody may be able to mend it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// The pause after the first refusal; doubled with each further one.
const FIRST: Duration = Duration::from_secs(120);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// Refusals by who refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusals<K>(BTreeMap<K, (u32, Instant)>);

impl<K> Default for Refusals<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Refusals<K> {
    /// Notes a refusal; answers when to ask again.
    pub(crate) fn refused(&mut self, who: &K, now: Instant) -> Instant {
        let times = self.0.get(who).map_or(0, |(times, _)| *times);
        let pause = FIRST.saturating_mul(1 << times.min(16)).min(LONGEST);
        let until = now + pause;
        self.0.insert(who.clone(), (times + 1, until));
        until
    }

    /// It answered, or is another one now.
    pub(crate) fn forget(&mut self, who: &K) {
        self.0.remove(who);
    }

    /// When it may be asked, if that is not at any time.
    pub(crate) fn not_before(&self, who: &K) -> Option<Instant> {
        self.0.get(who).map(|(_, until)| *until)
    }

    /// Whether it may be asked now.
    pub(crate) fn may_ask(&self, who: &K, now: Instant) -> bool {
        self.not_before(who).is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_doubles_the_pause_up_to_six_hours() {
        let (mut refusals, mut now) = (Refusals::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert!(refusals.may_ask(&1, now));
            let until = refusals.refused(&1, now);
            assert!(!refusals.may_ask(&1, now) && refusals.may_ask(&2, now));
            pauses.push(until.duration_since(now).as_secs() / 60);
            now = until;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
        refusals.refused(&1, now);
        refusals.forget(&1);
        assert!(refusals.may_ask(&1, now));
    }
}
