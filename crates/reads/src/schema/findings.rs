//! What of the objects somebody should mend. Pure.

use std::collections::HashMap;

use super::store::Constraint;
use crate::relations::Key;
use crate::relations::names::Index;

/// The names in a list that PostgreSQL made with `quote_ident`, without what follows a name, as `desc`.
fn names(list: &str) -> Vec<String> {
    let (mut all, mut name, mut is_quoted) = (Vec::new(), String::new(), false);
    for letter in list.chars() {
        match letter {
            '"' => {
                is_quoted = !is_quoted;
                name.push(letter);
            }
            ',' if !is_quoted => all.push(std::mem::take(&mut name)),
            _ => name.push(letter),
        }
    }
    all.push(name);
    let bare = |name: &String| {
        let name = name.trim();
        name.strip_suffix(" desc").unwrap_or(name).to_owned()
    };
    all.iter().map(bare).filter(|name| !name.is_empty()).collect()
}

/// Whether an index begins with a foreign key's columns, in any order: so the rows of a key are found.
fn finds(index: &Index, columns: &[String]) -> bool {
    let Some(own) = index.columns.as_deref().filter(|_| index.valid && !index.predicate) else { return false };
    let own = names(own);
    own.len() >= columns.len() && own[..columns.len()].iter().all(|name| columns.contains(name))
}

/// Foreign keys whose rows no index finds.
pub(super) fn without_index<'a>(constraints: &'a [Constraint], indexes: &HashMap<Key, Index>) -> Vec<&'a Constraint> {
    let mut of_table: HashMap<Key, Vec<&Index>> = HashMap::new();
    for (key, index) in indexes {
        if let Some(relid) = index.relid {
            of_table.entry((key.0, relid)).or_default().push(index);
        }
    }
    let lacks = |constraint: &&Constraint| {
        let Some(columns) = constraint.columns.as_deref().map(names).filter(|_| constraint.is_foreign_key) else {
            return false;
        };
        let own = of_table.get(&(constraint.datid, constraint.relid));
        !own.is_some_and(|own| own.iter().any(|index| finds(index, &columns)))
    };
    constraints.iter().filter(lacks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(columns: &str) -> Constraint {
        Constraint {
            datid: 5,
            relid: 20,
            name: "fkey".to_owned(),
            is_foreign_key: true,
            references_relid: Some(21),
            columns: Some(columns.to_owned()),
            is_validated: true,
        }
    }

    fn is_found(columns: &str, index: Index) -> bool {
        let indexes = HashMap::from([((5, 30), Index { relid: Some(20), ..index })]);
        without_index(&[key(columns)], &indexes).is_empty()
    }

    fn on(columns: &str) -> Index {
        Index { columns: Some(columns.to_owned()), valid: true, ..Index::default() }
    }

    #[test]
    fn an_index_finds_a_key_that_it_begins_with() {
        assert!(is_found("customer", on("customer desc, placed")));
        assert!(is_found("a, b", on("b, a, c")), "in any order");
        assert!(!is_found("customer", on("placed, customer")));
        assert!(!is_found("a, b", on("a, c, b")));
        assert!(!is_found("a", on("(expression)")));
        assert!(is_found("\"a, b\"", on("\"a, b\", c")), "a name may have a comma");
        assert!(!is_found("customer", Index { predicate: true, ..on("customer") }), "it holds only some rows");
        assert!(!is_found("customer", Index { valid: false, ..on("customer") }));
        assert_eq!(without_index(&[key("a")], &HashMap::new()).len(), 1);
    }
}
