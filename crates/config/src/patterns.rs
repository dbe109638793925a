//! Patterns of database names: `*` is any text, `?` one character; upper and lower case differ.

/// Databases that providers keep to themselves and let nobody into: Amazon RDS and Aurora, Google Cloud SQL and AlloyDB,
/// Azure. Asking for them writes FATAL into the instance's log each time.
pub(crate) const PROVIDERS: [&str; 4] = ["alloydbadmin", "azure_maintenance", "cloudsqladmin", "rdsadmin"];

/// Whether a database is one of `databases` and none of `excluded`. A provider's own is one only by its whole name.
pub fn selects(databases: &[String], excluded: &[String], name: &str) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
    let named = || databases.iter().any(|pattern| pattern == name);
    any(databases) && !any(excluded) && (!PROVIDERS.contains(&name) || named())
}

/// Whether a pattern matches a whole name.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last star does not fit: one character later.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, n));
                p += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((after_star, from)) = retry else { return false };
                retry = Some((after_star, from + 1));
                p = after_star;
                n = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name) in
            [("*", ""), ("*", "x"), ("app_*", "app_"), ("a?c", "aßc"), ("*_*_x", "a_b_c_x"), ("a*a", "aa")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("app", "apps"), ("a?c", "ac"), ("A*", "a"), ("", "x"), ("*b", "abc"), ("a*a", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        let list = |patterns: &[&str]| patterns.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        assert!(selects(&list(&["a*", "b"]), &list(&["a1"]), "b"));
        assert!(!selects(&list(&["a*"]), &list(&["a1"]), "a1"));
        for provider in PROVIDERS {
            assert!(!selects(&list(&["*"]), &[], provider) && selects(&list(&["*", provider]), &[], provider));
        }
    }
}
