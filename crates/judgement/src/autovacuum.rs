//! How near a table is to its next vacuum by autovacuum. Pure.
//!
//! The rules are those of `relation_needs_vacanalyze` in PostgreSQL's `autovacuum.c`: inserts count from
//! 13, an unknown number of rows is −1 from 14 and means none, and 18 brought an upper limit and counts
//! only the share of pages that are not frozen.

use std::collections::HashMap;

/// How near autovacuum is to a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// The share of the nearest threshold; above 1 a worker takes it when it comes round.
    pub share: f64,
    /// Which threshold that is.
    pub because: Because,
    /// Whether it is switched on; else it comes only for age.
    pub enabled: bool,
    /// Dead rows beyond which it comes.
    pub dead_threshold: f64,
    /// Inserted rows beyond which it comes; `None` before 13 or where switched off.
    pub insert_threshold: Option<f64>,
    /// The age beyond which it comes in any case.
    pub freeze_max_age: f64,
}

/// Why autovacuum will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// Rows that were updated or deleted.
    DeadRows,
    /// Rows that were inserted.
    Inserts,
    /// The age of its oldest transaction.
    XidAge,
    /// The age of its oldest multixact.
    MxidAge,
}

/// What the rules need of a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct State<'a> {
    /// `n_dead_tup`.
    pub dead: Option<f64>,
    /// `n_ins_since_vacuum`.
    pub inserted: Option<f64>,
    /// `reltuples`; `None` where PostgreSQL does not know it.
    pub tuples: Option<f64>,
    /// `relpages`.
    pub pages: Option<f64>,
    /// `relallfrozen`.
    pub frozen_pages: Option<f64>,
    /// The age of `relfrozenxid`.
    pub xid_age: Option<f64>,
    /// The age of `relminmxid`.
    pub mxid_age: Option<f64>,
    /// `name=value,…`.
    pub options: Option<&'a str>,
}

/// Settings of an instance by name.
pub type Settings = HashMap<String, String>;

/// The distance; `None` where a setting or figure that decides is not known.
pub fn distance(major: u32, settings: &Settings, table: State<'_>) -> Option<Distance> {
    let of_table = |name: &str| {
        let options = table.options?.split(',');
        options.filter_map(|option| option.split_once('=')).find(|(option, _)| *option == name).map(|(_, value)| value)
    };
    let of_instance = |name: &str| settings.get(name).map(String::as_str);
    // A storage parameter counts from its lowest value on.
    let number = |name: &str, lowest: f64| {
        let own = of_table(name).and_then(|value| value.parse::<f64>().ok()).filter(|value| *value >= lowest);
        own.or_else(|| of_instance(name)?.parse().ok())
    };
    let is_off = |value: Option<&str>| matches!(value, Some("off" | "false" | "no" | "0"));
    let enabled = !is_off(of_instance("autovacuum"))
        && !is_off(of_instance("track_counts"))
        && !is_off(of_table("autovacuum_enabled"));
    let tuples = table.tuples.unwrap_or(0.0).max(0.0);
    let (dead, dead_threshold) = (table.dead?, {
        let base = number("autovacuum_vacuum_threshold", 0.0)?;
        let scale = number("autovacuum_vacuum_scale_factor", 0.0)?;
        let threshold = base + scale * tuples;
        let most = (major >= 18).then(|| number("autovacuum_vacuum_max_threshold", -1.0)).flatten();
        most.filter(|most| *most >= 0.0).map_or(threshold, |most| threshold.min(most))
    });
    let insert_threshold = (major >= 13).then(|| {
        let base = number("autovacuum_vacuum_insert_threshold", -1.0).filter(|base| *base >= 0.0)?;
        let scale = number("autovacuum_vacuum_insert_scale_factor", 0.0)?;
        let unfrozen = match (table.pages, table.frozen_pages) {
            (Some(pages), Some(frozen)) if major >= 18 && pages > 0.0 && tuples > 0.0 => {
                1.0 - frozen.min(pages) / pages
            }
            _ => 1.0,
        };
        Some(base + scale * tuples * unfrozen)
    });
    let insert_threshold = insert_threshold.flatten();
    // A storage parameter can only lower these.
    let oldest = |name: &str| {
        let own = of_table(name).and_then(|value| value.parse::<f64>().ok());
        let common = of_instance(name).and_then(|value| value.parse::<f64>().ok())?;
        Some(own.map_or(common, |own| own.min(common)))
    };
    let freeze_max_age = oldest("autovacuum_freeze_max_age")?;
    let share = |count: f64, threshold: f64| if threshold > 0.0 { count / threshold } else { count.min(1.0) };
    let mut shares = Vec::new();
    if enabled {
        shares.push((share(dead, dead_threshold), Because::DeadRows));
        if let (Some(inserted), Some(threshold)) = (table.inserted, insert_threshold) {
            shares.push((share(inserted, threshold), Because::Inserts));
        }
    }
    if let Some(age) = table.xid_age {
        shares.push((share(age, freeze_max_age), Because::XidAge));
    }
    if let (Some(age), Some(most)) = (table.mxid_age, oldest("autovacuum_multixact_freeze_max_age")) {
        shares.push((share(age, most), Because::MxidAge));
    }
    let (share, because) = shares.into_iter().max_by(|one, other| one.0.total_cmp(&other.0))?;
    Some(Distance { share, because, enabled, dead_threshold, insert_threshold, freeze_max_age })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        [
            ("autovacuum", "on"),
            ("track_counts", "on"),
            ("autovacuum_vacuum_threshold", "50"),
            ("autovacuum_vacuum_scale_factor", "0.2"),
            ("autovacuum_vacuum_insert_threshold", "1000"),
            ("autovacuum_vacuum_insert_scale_factor", "0.2"),
            ("autovacuum_vacuum_max_threshold", "100000000"),
            ("autovacuum_freeze_max_age", "200000000"),
            ("autovacuum_multixact_freeze_max_age", "400000000"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn table() -> State<'static> {
        State {
            dead: Some(125.0),
            inserted: Some(600.0),
            tuples: Some(1000.0),
            pages: Some(100.0),
            frozen_pages: Some(50.0),
            xid_age: Some(20_000_000.0),
            mxid_age: Some(0.0),
            options: None,
        }
    }

    #[test]
    fn dead_rows_and_inserts_count_by_the_rules_of_the_major() {
        let at = |major| distance(major, &settings(), table()).unwrap();
        // 50 + 0.2 × 1000; inserts are not looked at before 13.
        assert_eq!((at(12).share, at(12).because, at(12).insert_threshold), (0.5, Because::DeadRows, None));
        // 1000 + 0.2 × 1000, and in 18 only half of the pages count.
        assert_eq!((at(13).insert_threshold, at(17).insert_threshold), (Some(1200.0), Some(1200.0)));
        assert_eq!(at(18).insert_threshold, Some(1100.0));
        assert_eq!((at(18).share * 1100.0, at(18).because), (600.0, Because::Inserts));
    }

    #[test]
    fn eighteen_has_an_upper_limit() {
        let large = State { tuples: Some(1e10), ..table() };
        assert_eq!(distance(17, &settings(), large).unwrap().dead_threshold, 2e9 + 50.0);
        assert_eq!(distance(18, &settings(), large).unwrap().dead_threshold, 1e8);
        let without = State { options: Some("autovacuum_vacuum_max_threshold=-1"), ..large };
        assert_eq!(distance(18, &settings(), without).unwrap().dead_threshold, 2e9 + 50.0);
    }

    #[test]
    fn a_table_that_nobody_counted_has_no_rows() {
        let unknown = State { tuples: None, ..table() };
        assert_eq!(distance(16, &settings(), unknown).unwrap().dead_threshold, 50.0);
    }

    #[test]
    fn storage_parameters_go_before_settings() {
        let own = "fillfactor=70,autovacuum_vacuum_scale_factor=0,autovacuum_vacuum_threshold=500";
        let with = State { options: Some(own), ..table() };
        assert_eq!(distance(15, &settings(), with).unwrap().dead_threshold, 500.0);
        let no_inserts = State { options: Some("autovacuum_vacuum_insert_threshold=-1"), ..table() };
        assert_eq!(distance(15, &settings(), no_inserts).unwrap().insert_threshold, None);
        let higher = State { options: Some("autovacuum_freeze_max_age=1000000000"), ..table() };
        assert_eq!(distance(15, &settings(), higher).unwrap().freeze_max_age, 2e8, "it can only be lowered");
    }

    #[test]
    fn switched_off_it_still_comes_for_age() {
        let off = State { options: Some("autovacuum_enabled=false"), ..table() };
        let distance = distance(15, &settings(), off).unwrap();
        assert_eq!((distance.enabled, distance.because, distance.share), (false, Because::XidAge, 0.1));
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        assert!(distance(15, &settings(), State { dead: None, ..table() }).is_none(), "a standby does not know");
        assert!(distance(15, &Settings::new(), table()).is_none());
    }
}
