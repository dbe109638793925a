//! The arrows between the crates point one way, and only the ones that the house has.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate may build on, tests aside.
const ARROWS: [(&str, &[&str]); 14] = [
    ("catalog", &[]),
    ("wire", &["catalog"]),
    ("config", &["catalog"]),
    ("cluster", &[]),
    ("judgement", &[]),
    ("connection", &["catalog", "config"]),
    ("collector", &["catalog", "config", "connection", "wire"]),
    ("store", &["catalog", "config", "connection"]),
    ("ingest", &["catalog", "judgement", "store", "wire"]),
    ("reads", &["catalog", "connection", "judgement", "store"]),
    ("server", &["catalog", "cluster", "config", "connection", "ingest", "reads", "store", "wire"]),
    ("report", &["catalog", "judgement", "wire"]),
    ("testkit", &["cluster"]),
    ("pganalytics", &["catalog", "cluster", "collector", "config", "judgement", "report", "server", "store", "wire"]),
];

#[test]
fn crates_build_only_on_what_the_house_allows() {
    let metadata = MetadataCommand::new().no_deps().other_options(vec!["--offline".to_owned()]).exec().unwrap();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(name, on)| (*name, on.iter().copied().collect())).collect();
    let members: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(members, allowed.keys().copied().collect(), "the table names every crate");
    for package in &metadata.packages {
        let on: BTreeSet<&str> = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .map(|dependency| dependency.name.as_str())
            .filter(|name| members.contains(name))
            .collect();
        let extra: Vec<_> = on.difference(&allowed[package.name.as_str()]).collect();
        assert!(extra.is_empty(), "{} must not build on {extra:?}", package.name);
    }
}
