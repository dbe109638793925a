//! Which version it is, and how long it is looked after.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::Look;

/// The last minor release of each major, by the number before its first dot or, up to 9.6, its first two.
const LAST_RELEASES: [(u32, &str, Date); 12] = [
    (90_400, "9.4", jiff::civil::date(2020, 2, 13)),
    (90_500, "9.5", jiff::civil::date(2021, 2, 11)),
    (90_600, "9.6", jiff::civil::date(2021, 11, 11)),
    (100_000, "10", jiff::civil::date(2022, 11, 10)),
    (110_000, "11", jiff::civil::date(2023, 11, 9)),
    (120_000, "12", jiff::civil::date(2024, 11, 21)),
    (130_000, "13", jiff::civil::date(2025, 11, 13)),
    (140_000, "14", jiff::civil::date(2026, 11, 12)),
    (150_000, "15", jiff::civil::date(2027, 11, 11)),
    (160_000, "16", jiff::civil::date(2028, 11, 9)),
    (170_000, "17", jiff::civil::date(2029, 11, 8)),
    (180_000, "18", jiff::civil::date(2030, 11, 14)),
];

/// So many days before the last release a move should be planned.
const SOON_DAYS: i32 = 180;

/// Majors that nobody mends any more.
pub(super) static END_OF_LIFE: Rule = Rule {
    id: "end-of-life",
    title: "A major version that gets no fixes any more",
    threshold: "a warning after the date of its last release, a notice 180 days before it",
    source: "the dates published at https://www.postgresql.org/support/versioning/, as known when this program was made",
    needs: &[],
    over: &[],
    check: end_of_life,
};

fn end_of_life(look: &Look<'_>, judged: &mut Judged) {
    let version = look.version_num();
    let known = LAST_RELEASES.iter().rev().find(|(first, ..)| version >= *first);
    let Some((first, major, last)) = known else {
        return judged.unknown("This version is older than any that is known here.");
    };
    // A major has ten thousand numbers; those before 10 a hundred.
    let is_this = if version < 100_000 { version / 100 == first / 100 } else { version / 10_000 == first / 10_000 };
    if !is_this {
        return judged
            .unknown("This major is newer than this program, which does not know how long it is looked after.");
    }
    let today = look.readings().last_at.to_zoned(TimeZone::UTC).date();
    let left = last.duration_since(today).as_hours() / 24;
    let (severity, message) = if left < 0 {
        (Severity::Warning, format!("PostgreSQL {major} has had no fixes since {last}, security holes included."))
    } else if left <= i64::from(SOON_DAYS) {
        (Severity::Notice, format!("PostgreSQL {major} gets its last fixes on {last}, in {left} days."))
    } else {
        return;
    };
    let version = Value::Text(look.readings().attributes.version.clone());
    let evidence = Evidence::here().with("version", version).with("last release", Value::Text(last.to_string()));
    judged.found(severity, message, evidence.fix("-- pg_upgrade to a major that is looked after"));
}
