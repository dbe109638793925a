//! The sets of the collector itself: what each set took of this instance, and what the process takes. They are read last,
//! so that they count what was read before them.

use std::sync::Arc;
use std::time::Instant;

use catalog::Scope;

use super::recorder::Recorder;
use super::source::{At, Source};
use crate::{named, own};

/// The collector's own process.
#[derive(Debug)]
pub(super) struct Itself;

/// Whether one of these sets is read here.
pub(super) fn reads(set: &str) -> bool {
    [own::SETS, own::PROCESS].contains(&set)
}

impl Source for Itself {
    const SCOPE: Scope = Scope::Collector;
    type Due = [String];
    type Error = std::convert::Infallible;

    async fn read(&mut self, due: &[String], at: &mut At<'_>) -> Result<(), Self::Error> {
        at.recorder.own.count(&mut at.cycle.readings);
        let counted = at.cycle.readings.len();
        let catalog = Arc::clone(&at.recorder.catalog);
        for set in Recorder::of_scope(&catalog, due, Self::SCOPE).into_iter().filter(|set| reads(set.name())) {
            let began = (Instant::now(), at.recorder.clock.now_us());
            let (own, budget) = (&mut at.recorder.own, &at.recorder.budget);
            let rows =
                if set.name() == own::SETS { own.tell(|set| budget.factor(set)) } else { vec![own.process_row()] };
            let read = (named::frame(&set.definition, &rows), own::incarnation(at.recorder.clock.set_at_us()));
            at.recorder.record_beside(set, read, began, at.baselines, at.cycle);
        }
        at.recorder.own.count(&mut at.cycle.readings[counted..]);
        Ok(())
    }
}
