//! A primary and its standby, made in both ways.

use cluster::{Cluster, Mode, StandbyOptions};

use crate::{options, place, query};

/// Asks until the answer is the expected one; the runner's limit ends a test in which it never is.
fn comes_to(cluster: &Cluster, sql: &str, expected: &str) {
    while query(cluster, sql).as_deref() != Ok(expected) {}
}

#[test]
fn a_standby_follows_and_can_be_promoted() {
    let place = place();
    let mut primary = Cluster::create(options(&place.path().join("primary"))).unwrap();
    primary.start().unwrap();
    let wanted = StandbyOptions { cluster: options(&place.path().join("standby")), slot: "standby_1".to_owned() };
    let mut standby = Cluster::standby_of(&primary, wanted).unwrap();
    standby.start().unwrap();
    assert_eq!(query(&standby, "select pg_is_in_recovery()").unwrap(), "t");
    query(&primary, "create table replicated as select 7 as n").unwrap();
    comes_to(&standby, "select n from replicated", "7");
    assert_eq!(query(&primary, "select application_name from pg_stat_replication").unwrap(), "standby_1");
    assert_eq!(query(&primary, "select slot_name from pg_replication_slots where active").unwrap(), "standby_1");
    standby.promote().unwrap();
    assert_eq!(query(&standby, "select pg_is_in_recovery()").unwrap(), "f");
}

#[test]
fn a_copy_of_a_stopped_primary_follows_it_too() {
    let place = place();
    let mut primary = Cluster::create(options(&place.path().join("primary"))).unwrap();
    primary.start().unwrap();
    query(&primary, "select pg_create_physical_replication_slot('copy', true)").unwrap();
    primary.stop(Mode::Fast).unwrap();
    let mut standby = Cluster::copy_of(primary.data_dir(), options(&place.path().join("standby"))).unwrap();
    primary.start().unwrap();
    standby.follow(&primary, "copy").unwrap();
    standby.start().unwrap();
    query(&primary, "create table replicated as select 8 as n").unwrap();
    comes_to(&standby, "select n from replicated", "8");
    let identifier = "select system_identifier from pg_control_system()";
    assert_eq!(query(&primary, identifier), query(&standby, identifier));
}
