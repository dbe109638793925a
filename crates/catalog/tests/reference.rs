//! The reference page in `docs/` is the one that the sets give.

use catalog::Catalog;

#[test]
fn the_reference_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/catalog.md");
    let written = std::fs::read_to_string(path).unwrap();
    let page = catalog::reference(&Catalog::embedded().unwrap());
    assert!(page == written, "docs/reference/catalog.md is not what the sets say: run `make generate`");
}

#[test]
fn the_reference_page_names_every_column_and_keeps_its_tables_whole() {
    let catalog = Catalog::embedded().unwrap();
    let page = catalog::reference(&catalog);
    for set in catalog.sets() {
        assert!(page.contains(&format!("\n## {}\n", set.name())));
        for column in &set.definition.columns {
            assert!(page.contains(&format!("\n| `{}` | {} |", column.name, column.column_type.word())));
        }
    }
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 7, "{row}");
    }
}
