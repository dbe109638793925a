//! Parsing takes anything: a user's folder is outside input.

use catalog::{Set, Version};
use proptest::prelude::*;

/// Pieces of a set, so that random input gets past the first key.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("help = \"h\"\nscope = \"instance\"\ngroup = \"g\"\ninterval = 5\n".to_owned()),
        Just("extension = \"e\"\ngrant = \"grant x to {role}\"\nmember_of = \"x\"\n".to_owned()),
        Just("[limit]\nsetting = \"S\"\nper = \"a\"\norder = \"b\"\nid = \"a\"\n".to_owned()),
        Just("[[columns]]\nname = \"a\"\ntype = \"oid\"\nkind = \"label\"\nhelp = \"h\"\n".to_owned()),
        Just("[[columns]]\nname = \"b\"\ntype = \"duration\"\nkind = \"counter\"\nunit = \"microseconds\"\nhelp = \"h\"\n".to_owned()),
        Just("since = \"12\"\n".to_owned()),
        Just("needs_grant = true\nrole = \"standby\"\n".to_owned()),
        "\\PC{0,20}\n",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_version_is_read_back_or_refused(text in "\\PC{0,12}") {
        if let Ok(version) = text.parse::<Version>() {
            prop_assert_eq!(version.to_string().parse::<Version>().unwrap(), version);
        }
    }

    #[test]
    fn numbers_are_versions(major in 0..u32::MAX, minor in 0..u32::MAX) {
        let version = Version { major, minor };
        prop_assert_eq!(version.to_string().parse::<Version>().unwrap(), version);
    }

    #[test]
    fn a_set_is_read_or_refused(name in "[a-z_é]{0,60}", toml in pieces(), file in "(12|1\\.10|x|)(\\.sql)?", sql in "\\PC{0,40}") {
        if let Ok(set) = Set::parse(&name, &toml, [(file.as_str(), sql.as_str())]) {
            prop_assert_eq!(set.name(), name.as_str());
            prop_assert!(set.lowest_version().is_some());
            prop_assert_eq!(set.grant.is_none(), set.without_grant() == catalog::WithoutGrant::Nothing);
            prop_assert_eq!(set.definition.hash(), set.clone().definition.hash());
        }
    }

    #[test]
    fn noise_is_refused(toml in "(?s).{0,200}") {
        prop_assert!(Set::parse("a", &toml, [("12.sql", "select 1")]).is_err());
    }
}

#[test]
fn the_pieces_make_sets() {
    // Without this the property above could hold because everything is refused.
    let toml = "help = \"h\"\nscope = \"instance\"\ngroup = \"g\"\ninterval = 5\n\
        [[columns]]\nname = \"a\"\ntype = \"oid\"\nkind = \"label\"\nhelp = \"h\"\n\
        [[columns]]\nname = \"b\"\ntype = \"duration\"\nkind = \"counter\"\nunit = \"microseconds\"\nhelp = \"h\"\n";
    assert!(Set::parse("a", toml, [("12.sql", "select 1")]).is_ok());
}
