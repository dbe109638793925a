//! Lengths of time and moments as sentences say them.

use jiff::{SignedDuration, Timestamp};

/// A length in its two largest units: `45 s`, `3 min 30 s`, `2 h`, `1 d 4 h`.
pub fn spell(length: SignedDuration) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let seconds = length.as_secs().max(0);
    let largest = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let mut rest = seconds;
    let mut words = Vec::new();
    for (size, unit) in UNITS.iter().skip(largest).take(2) {
        if rest >= *size || words.is_empty() {
            words.push(format!("{} {unit}", rest / size));
        }
        rest %= size;
    }
    words.join(" ")
}

/// A length in milliseconds, as the API has them.
pub fn spell_ms(ms: f64) -> String {
    spell(SignedDuration::try_from_secs_f64(ms / 1000.0).unwrap_or(SignedDuration::MAX))
}

/// A moment, everywhere in this form: the pages put it in the reader's zone.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_two_units_at_most() {
        let said = |seconds| spell(SignedDuration::from_secs(seconds));
        assert_eq!([said(-1), said(0), said(45), said(60), said(210)], ["0 s", "0 s", "45 s", "1 min", "3 min 30 s"]);
        assert_eq!([said(3600), said(3601), said(7500)], ["1 h", "1 h", "2 h 5 min"]);
        assert_eq!([said(2_592_000), said(100_800)], ["30 d", "1 d 4 h"]);
    }

    #[test]
    fn milliseconds_are_a_length() {
        assert_eq!([-5.0, 999.999, 1000.0, 210_000.0].map(spell_ms), ["0 s", "0 s", "1 s", "3 min 30 s"]);
        assert_eq!(spell_ms(1e300), "106751991167300 d 15 h");
    }

    #[test]
    fn a_moment_has_its_day_and_its_zone() {
        assert_eq!(moment("2026-03-01T23:59:58.7Z".parse().unwrap()), "2026-03-01 23:59:58 UTC");
    }
}
