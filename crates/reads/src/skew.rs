//! A collector's clock that is not ours, in words. What it stamps is corrected when it arrives (`ingest`).

use store::CLOCK_TOLERANCE_US;

/// The sentence of a collector; `None` where the difference is too small to tell.
pub fn sentence(ahead_us: i64) -> Option<String> {
    (ahead_us.unsigned_abs() > CLOCK_TOLERANCE_US.unsigned_abs()).then(|| of("The collector's clock", ahead_us))
}

/// The sentence of some clock.
pub fn of(whose: &str, ahead_us: i64) -> String {
    let how = if ahead_us > 0 { "ahead" } else { "behind" };
    format!("{whose} is {} {how}.", length(ahead_us.unsigned_abs() / 1_000_000))
}

/// Its two largest units.
fn length(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(units.len() - 1);
    let (unit, name) = units[first];
    let whole = format!("{} {name}", seconds / unit);
    match units.get(first + 1).map(|(finer, name)| (seconds % unit / finer, name)) {
        Some((rest, name)) if rest > 0 => format!("{whole} {rest} {name}"),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_is_told_in_two_units_and_not_below_what_is_corrected() {
        let told = |seconds: i64| sentence(seconds * 1_000_000);
        assert_eq!(told(7200).unwrap(), "The collector's clock is 2 h ahead.");
        assert_eq!(told(-200).unwrap(), "The collector's clock is 3 min 20 s behind.");
        assert_eq!(told(300).unwrap(), "The collector's clock is 5 min ahead.");
        assert_eq!(told(-90_061).unwrap(), "The collector's clock is 1 d 1 h behind.");
        assert_eq!(told(3).unwrap(), "The collector's clock is 3 s ahead.");
        assert_eq!((told(2), told(-2)), (None, None));
        assert_eq!(sentence(i64::MIN).map(|said| said.ends_with("behind.")), Some(true));
    }
}
