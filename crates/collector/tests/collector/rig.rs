//! A watch over a real instance, with baselines that move after each cycle as the spool's do.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::Catalog;
use collector::exposition::Latest;
use collector::watch::{Baselines, Cycle, Watch};
use testkit::Pg;
use tokio_postgres::Client;
use wire::{FlagReason, Frame, Reading, SetState};

/// The role that tests give the collector.
pub(crate) const ROLE: &str = "monitor";

pub(crate) struct Rig {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) watch: Watch,
    pub(crate) baselines: Baselines,
    sets: Vec<String>,
}

pub(crate) fn instance(pg: &Pg, role: &str) -> config::Instance {
    instance_by(pg, role, "")
}

/// The same with more in its connection string.
pub(crate) fn instance_by(pg: &Pg, role: &str, more: &str) -> config::Instance {
    let dsn = pg.dsn("postgres").replace("user=postgres", &format!("user={role}")) + more;
    let text = format!("[postgres]\ndsn = \"{dsn}\"\n");
    let config = config::Config::load(None, Some(text), &|_| None, &config::Names::default()).unwrap();
    config.instances.into_iter().next().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tests say several statements at once")]
pub(crate) async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

pub(crate) async fn make_role(pg: &Pg) {
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, &format!("create role {ROLE} login in role pg_monitor")).await;
}

impl Rig {
    pub(crate) fn new(pg: &Pg, role: &str) -> Self {
        Self::of(instance(pg, role))
    }

    /// A watch of an instance as it is configured.
    pub(crate) fn of(instance: config::Instance) -> Self {
        let catalog = Arc::new(Catalog::embedded().unwrap());
        let watch = Watch::new(instance, Arc::clone(&catalog), |_| None);
        let sets = watch.schedule().into_iter().map(|(set, _)| set).collect();
        Self { catalog, watch, baselines: Baselines::new(), sets }
    }

    /// The sets that a cycle reads from here on.
    pub(crate) fn due(&mut self, sets: Vec<String>) {
        self.sets = sets;
    }

    /// The same with readings that are shown from there.
    pub(crate) fn shown_in(mut self, latest: &Arc<Latest>) -> Self {
        self.watch = self.watch.shown_in(Arc::clone(latest));
        self
    }

    /// Reads all sets and moves the baselines.
    pub(crate) async fn cycle(&mut self) -> Cycle {
        let cycle = self.watch.cycle(&self.sets, &self.baselines).await;
        for (place, next) in &cycle.next {
            self.baselines.insert(place.clone(), Arc::new(next.clone()));
        }
        cycle
    }

    /// What is said of all sets, whether it changed or not.
    pub(crate) async fn states(&mut self) -> Vec<SetState> {
        self.watch.forget_sent();
        self.cycle().await.instance.states
    }

    /// What mends a set, if something does.
    pub(crate) async fn fix(&mut self, set: &str) -> Option<String> {
        let states = self.states().await;
        let state = states.into_iter().find(|state| state.set == set && state.column.is_empty());
        state.map(|state| state.fix).filter(|fix| !fix.is_empty())
    }

    /// Reads all sets in the databases.
    pub(crate) async fn sweep(&mut self) -> Vec<Cycle> {
        let cycles = self.watch.read_databases(&self.baselines).await;
        for (place, next) in cycles.iter().flat_map(|cycle| &cycle.next) {
            self.baselines.insert(place.clone(), Arc::new(next.clone()));
        }
        cycles
    }

    /// Reads all sets in the databases; none may fail.
    pub(crate) async fn whole_sweep(&mut self) -> Vec<Cycle> {
        let cycles = self.sweep().await;
        assert_eq!(cycles.iter().flat_map(errors).collect::<Vec<_>>(), [] as [String; 0]);
        cycles
    }

    /// Reads all sets; none may fail.
    pub(crate) async fn whole_cycle(&mut self) -> Cycle {
        let cycle = self.cycle().await;
        assert_eq!(errors(&cycle), [] as [String; 0]);
        cycle
    }

    pub(crate) fn rows(&self, reading: &Reading) -> Frame {
        reading.decode_rows(&self.catalog.get(&reading.set).unwrap().definition).unwrap()
    }

    /// The increments of one column by the statement's or database's id.
    pub(crate) fn sums(&self, cycle: &Cycle, set: &str, label: &str, column: &str) -> BTreeMap<i64, i64> {
        let definition = &self.catalog.get(set).unwrap().definition;
        let place = |name: &str| definition.column(name).unwrap().0;
        let mut sums = BTreeMap::new();
        for rows in cycle.readings.iter().filter(|reading| reading.set == set).map(|reading| self.rows(reading)) {
            for row in 0..rows.rows {
                let (Some(label), Some(column)) = (rows.column(place(label)), rows.column(place(column))) else {
                    continue;
                };
                *sums.entry(label.int(row).unwrap()).or_default() += column.int(row).unwrap_or(0);
            }
        }
        sums
    }
}

impl Rig {
    /// A figure of each set of what the collector takes.
    pub(crate) fn own(&self, cycle: &Cycle, column: &str) -> BTreeMap<String, i64> {
        let rows = self.rows(reading(cycle, collector::own::SETS).unwrap());
        let definition = &self.catalog.get(collector::own::SETS).unwrap().definition;
        let place = |name: &str| rows.column(definition.column(name).unwrap().0).unwrap();
        let (names, figures) = (place("set_name"), place(column));
        (0..rows.rows).filter_map(|row| Some((names.text(row)?.to_owned(), figures.int(row)?))).collect()
    }
}

pub(crate) fn errors(cycle: &Cycle) -> Vec<String> {
    let readings =
        cycle.readings.iter().filter_map(|reading| Some(format!("{}: {}", reading.set, reading.error.as_ref()?)));
    cycle.instance.error.iter().cloned().chain(readings).collect()
}

pub(crate) fn reading<'a>(cycle: &'a Cycle, set: &str) -> Option<&'a Reading> {
    cycle.readings.iter().find(|reading| reading.set == set)
}

pub(crate) fn reasons(cycle: &Cycle, set: &str) -> Vec<&'static str> {
    let flags = reading(cycle, set).unwrap().flags.iter();
    flags.map(|flag| FlagReason::try_from(flag.reason).unwrap().word()).collect()
}
