//! `CATALOG_DIR`: sets of one's own, and what a folder may not do to ours.

use std::path::PathBuf;

use catalog::{Catalog, CatalogError};

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("catalog-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        Self(root)
    }

    fn file(&self, path: &str, content: &str) {
        let file = self.0.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover in the target folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const OWN: &str = "help = \"Orders that wait.\"\nscope = \"instance\"\ngroup = \"own\"\ninterval = 60\n\
    [[columns]]\nname = \"waiting\"\ntype = \"int8\"\nkind = \"gauge\"\nunit = \"count\"\nhelp = \"How many.\"\n";

#[test]
fn a_set_of_ones_own_is_added_and_other_files_are_left_alone() {
    let folder = Folder::new("own");
    folder.file("instance/x_orders/set.toml", OWN);
    folder.file("instance/x_orders/12.sql", "select count(*)::bigint as waiting from app.orders as o");
    folder.file("instance/x_orders/notes.bin", "not read");
    let catalog = Catalog::embedded().unwrap().with_dir(&folder.0).unwrap();
    assert_eq!(catalog.get("x_orders").unwrap().interval_seconds, 60);
    assert!(catalog.get("pg_stat_database").is_some());
}

#[test]
fn a_folder_takes_no_name_of_ours_and_no_wrong_scope() {
    let refusal = |path: &str, toml: &str| {
        let folder = Folder::new(&path.replace('/', "-"));
        folder.file(&format!("{path}/set.toml"), toml);
        folder.file(&format!("{path}/12.sql"), "select 1::bigint as waiting");
        Catalog::embedded().unwrap().with_dir(&folder.0).unwrap_err().to_string()
    };
    assert_eq!(
        refusal("instance/orders", OWN),
        "catalogue set orders: a set of your own has a name that begins with x_"
    );
    assert_eq!(
        refusal("database/x_orders", OWN),
        "catalogue set x_orders: stands in folder database, and its scope is instance"
    );
    assert_eq!(
        refusal("instance/pg_stat_database", OWN),
        "catalogue set pg_stat_database: the labels of set pg_stat_database changed"
    );
    let guarded = format!("guard = \"x_nothing\"\n{OWN}");
    assert_eq!(refusal("instance/x_orders", &guarded), "catalogue set x_orders: guard x_nothing is no set");
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let missing = Catalog::embedded().unwrap().with_dir("/nonexistent/catalogue".as_ref());
    assert!(matches!(missing, Err(CatalogError::Read { .. })));
}
