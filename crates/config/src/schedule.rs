//! Which sets are read, and how often: sets over groups, an instance's own tables over the file's.

use std::collections::BTreeMap;

/// What a table of a group or set says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switch {
    /// Whether it is read.
    pub enabled: Option<bool>,
    /// Seconds between two readings.
    pub interval: Option<u32>,
}

/// The tables of groups and sets at one place of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// By the name of the group.
    pub groups: BTreeMap<String, Switch>,
    /// By the name of the set.
    pub sets: BTreeMap<String, Switch>,
}

/// What the statements of an instance may take, in microseconds of each second; `None`: no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget(pub Option<u32>);

impl Budget {
    /// A share of one core, 0 to 1; 0 is no bound.
    pub(crate) fn of_share(share: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a million")]
        let micros = (share.clamp(0.0, 1.0) * 1e6).ceil() as u32;
        Self((micros > 0).then_some(micros))
    }
}

/// Everything that decides about a set's interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The nearest first: an instance's own, then the file's.
    pub(crate) layers: Vec<Switches>,
    /// `[collector] interval`.
    pub(crate) interval: u32,
    /// Whether that applies to every set.
    pub(crate) override_intervals: bool,
}

impl Schedule {
    /// Seconds between two readings of a set: the instance's table of the set, of its group, the
    /// file's table of the set, of its group, the set's own default, `[collector] interval`.
    pub fn interval_of(&self, set: &str, group: &str, set_default_seconds: Option<u32>) -> u32 {
        if self.override_intervals {
            return self.interval;
        }
        self.said(set, group, |switch| switch.interval).or(set_default_seconds).unwrap_or(self.interval)
    }

    /// Whether a set is read: on unless one of those tables says otherwise.
    pub fn enabled(&self, set: &str, group: &str) -> bool {
        self.said(set, group, |switch| switch.enabled).unwrap_or(true)
    }

    fn said<T>(&self, set: &str, group: &str, what: fn(&Switch) -> Option<T>) -> Option<T> {
        self.layers.iter().find_map(|layer| {
            let own = layer.sets.get(set).and_then(what);
            own.or_else(|| layer.groups.get(group).and_then(what))
        })
    }
}
