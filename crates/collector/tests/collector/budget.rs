//! The budget over a real instance: what yields is read less often, says so, and comes back.

use std::sync::Arc;

use collector::watch::Watch;
use testkit::{Pg, PgOptions};
use wire::{State, StateCode};

use crate::rig::{ROLE, Rig, instance, make_role};

/// A rig with a budget, and a set that is read more often than by itself.
fn rig(pg: &Pg, budget: &str) -> Rig {
    let dsn = instance(pg, ROLE).conninfo;
    let text = format!(
        "[postgres]\ndsn = \"{}\"\nstatement_budget = {budget}\n[sets.pg_roles]\ninterval = 30\n",
        dsn.expose()
    );
    let names = config::Names { sets: vec!["pg_roles".to_owned()], ..config::Names::default() };
    let config = config::Config::load(None, Some(text), &|_| None, &names).unwrap();
    let mut rig = Rig::new(pg, ROLE);
    rig.watch = Watch::new(config.instances[0].clone(), Arc::clone(&rig.catalog), |_| None);
    rig
}

#[tokio::test]
async fn what_yields_is_read_less_often_and_says_so() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let mut rig = rig(&pg, "0.000001");
    for _ in 0..3 {
        rig.whole_cycle().await;
        rig.whole_sweep().await;
    }
    rig.watch.weigh();
    assert_eq!(rig.watch.factor("pg_index"), 16, "a millionth of a core is nothing");
    assert_eq!(rig.watch.factor("pg_stat_statements"), 16);
    assert_eq!(rig.watch.factor("wal"), 1, "never yields");
    assert_eq!(rig.watch.factor("session_samples"), 2, "sampled every 16 s, and told every 20 s");
    assert_eq!(rig.watch.factor("pg_roles"), 1, "somebody wants it more often");
    let states = rig.states().await;
    let of = |set: &str| states.iter().find(|state| state.set == set && state.column.is_empty()).unwrap();
    for set in ["pg_index", "pg_stat_statements", "session_samples"] {
        let state = of(set);
        assert_eq!((state.state, state.code), (State::Degraded as i32, StateCode::Budget as i32), "{state:?}");
    }
    assert_eq!(
        of("pg_index").message,
        "Read every 4800 s instead of every 300 s, because all sets at their intervals would take more of the instance \
         than statement_budget allows, 0.0001 % of one core."
    );
    assert!(of("session_samples").message.starts_with("Sampled every 16 s instead of every 1 s, because"));
    assert_eq!(of("wal").state, State::Works as i32);
    let cycle = rig.whole_cycle().await;
    let slowdown = rig.own(&cycle, "slowdown");
    let of = |set: &str| slowdown[set];
    assert_eq!((of("pg_stat_statements"), of("session_samples"), of("wal")), (16, 16, 1));
}

#[tokio::test]
async fn no_bound_slows_nothing() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let mut rig = rig(&pg, "0");
    rig.whole_cycle().await;
    rig.whole_sweep().await;
    rig.watch.weigh();
    let slowed: Vec<&str> = rig.catalog.sets().map(|set| set.name()).filter(|set| rig.watch.factor(set) > 1).collect();
    assert!(slowed.is_empty(), "{slowed:?}");
}
