//! Figures as people read them.

use jiff::SignedDuration;
use judgement::span::{moment, spell};

use crate::finding::Value;

/// So many of something.
pub(crate) fn number(count: usize, noun: &str) -> String {
    let plural = if noun.ends_with('x') { "es" } else { "s" };
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}{plural}") }
}

/// So many of something and what they do: the verb of one, and that of more.
pub(crate) fn subject(count: usize, noun: &str, [one, more]: [&str; 2]) -> String {
    format!("{} {}", number(count, noun), if count == 1 { one } else { more })
}

/// So many of something that are.
pub(crate) fn are(count: usize, noun: &str) -> String {
    subject(count, noun, ["is", "are"])
}

/// Bytes in PostgreSQL's units, with three digits.
pub(crate) fn bytes(bytes: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut value, mut unit) = (bytes, 0);
    while value.abs() >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value.abs() < 100.0) + usize::from(unit > 0 && value.abs() < 10.0);
    format!("{value:.decimals$} {}", units[unit])
}

/// A length.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds.abs() >= 10.0 {
        spell(SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::MAX))
    } else if seconds.abs() >= 1.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.3} ms", seconds * 1000.0)
    }
}

/// A number of a second.
fn rate(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}/s") } else { format!("{value:.2}/s") }
}

/// Digits in groups of three.
pub(crate) fn grouped(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if count < 0 { format!("-{text}") } else { text }
}

/// A share in percent; what is not all is not 100.
pub(crate) fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if percent > 0.0 && percent < 10.0 { format!("{percent:.1} %") } else { format!("{:.0} %", percent.floor()) }
}

impl Value {
    /// As people read it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Count(count) => grouped(*count),
            Self::Bytes(count) => bytes(*count as f64),
            Self::Seconds(length) => seconds(*length),
            Self::Ratio(ratio) => percent(*ratio),
            Self::PerSecond(value) => rate(*value),
            Self::BytesPerSecond(value) => format!("{}/s", bytes(*value)),
            Self::Moment(at) => moment(*at),
            Self::Text(text) => text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_agrees_with_its_number() {
        assert_eq!([0, 1, 2].map(|count| are(count, "table")), ["0 tables are", "1 table is", "2 tables are"]);
        assert_eq!([0, 1, 2].map(|count| number(count, "index")), ["0 indexes", "1 index", "2 indexes"]);
        assert_eq!([1, 2].map(|count| subject(count, "set", ["waits", "wait"])), ["1 set waits", "2 sets wait"]);
    }

    #[test]
    fn figures_have_their_units() {
        assert_eq!(
            [0.0, 1023.0, 1024.0, 1536.0, 52_428_800.0, 1e12].map(bytes),
            ["0 B", "1023 B", "1.00 kB", "1.50 kB", "50.0 MB", "931 GB"]
        );
        assert_eq!([0, 999, 1000, 1_234_567, -1000].map(grouped), ["0", "999", "1 000", "1 234 567", "-1 000"]);
        assert_eq!([0.0, 0.0004, 0.012, 0.999_9, 1.0].map(percent), ["0 %", "0.0 %", "1.2 %", "99 %", "100 %"]);
        assert_eq!([0.0005, 2.0, 90.0].map(seconds), ["0.500 ms", "2.0 s", "1 min 30 s"]);
    }
}
