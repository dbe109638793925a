//! The identity of each definition, so that a change of meaning is seen in review.

use std::fmt::Write as _;

use catalog::{Catalog, Definition, Incompatible, Type};

#[test]
fn definitions_have_the_hashes_that_are_written_down() {
    let mut now = String::new();
    for set in Catalog::embedded().unwrap().sets() {
        writeln!(now, "{} {}", set.definition.hash(), set.name()).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/definitions.txt");
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        now, written,
        "a definition changed: only added columns are allowed; if that is so, write this into {path}"
    );
}

fn database() -> Definition {
    Catalog::embedded().unwrap().get("pg_stat_database").unwrap().definition.clone()
}

#[test]
fn help_and_requirements_are_no_part_of_the_identity_and_meaning_is() {
    let before = database();
    let mut after = before.clone();
    after.columns[3].help = "Other words.".to_owned();
    after.columns[3].since = Some("18".parse().unwrap());
    after.columns[3].requires_setting = Some("track_counts".to_owned());
    assert_eq!(before.hash(), after.hash());
    let mut other = after.clone();
    other.columns[3].column_type = Type::Float8;
    assert_ne!(before.hash(), other.hash());
}

#[test]
fn a_definition_grows_by_columns_and_changes_none() {
    let before = database();
    let mut wider = before.clone();
    let mut added = before.columns[2].clone();
    added.name = "xact_prepared".to_owned();
    wider.columns.push(added);
    assert_eq!(before.may_become(&wider), Ok(()));
    assert_ne!(before.hash(), wider.hash());

    let mut changed = before.clone();
    changed.columns[2].column_type = Type::Float8;
    let refused = Incompatible::Changed { set: "pg_stat_database".to_owned(), column: "xact_commit".to_owned() };
    assert_eq!(before.may_become(&changed), Err(refused));

    let mut without_label = before.clone();
    without_label.columns.remove(0);
    assert_eq!(before.may_become(&without_label), Err(Incompatible::Labels { set: "pg_stat_database".to_owned() }));
}

#[test]
fn a_definition_survives_json() {
    for set in Catalog::embedded().unwrap().sets() {
        let json = serde_json::to_string(&set.definition).unwrap();
        assert_eq!(serde_json::from_str::<Definition>(&json).unwrap(), set.definition);
    }
}
