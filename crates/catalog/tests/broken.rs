//! Broken sets and what is said about them. Each `broken/*.txt` holds the files of one set, each under
//! a line `=== name`, and under `=== says` the message.

use catalog::Set;

#[test]
fn a_broken_set_is_refused_with_a_sentence_that_helps() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broken");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (mut set_toml, mut says, mut sql) = ("", "", Vec::new());
        for part in text.split("=== ").skip(1) {
            let (name, content) = part.split_once('\n').unwrap();
            match name {
                "set.toml" => set_toml = content,
                "says" => says = content,
                file => sql.push((file, content)),
            }
        }
        let place = path.display();
        assert!(!says.trim().is_empty(), "{place} says nothing");
        match Set::parse("x_broken", set_toml, sql) {
            Ok(_) => panic!("{place} was accepted"),
            Err(error) => assert_eq!(error.to_string().trim(), says.trim(), "{place}"),
        }
        cases += 1;
    }
    assert!(cases >= 15, "only {cases} cases found");
}
