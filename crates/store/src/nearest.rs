//! Back from a float to the whole number that it stands for.

/// The nearest whole number; what is beyond the range is its end, and no number is 0.
#[expect(clippy::cast_possible_truncation, reason = "it is rounded before, and saturates")]
pub fn nearest(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_whole_is_whole_again() {
        // Microseconds that were milliseconds in between are a little less or more than they were.
        assert!((0..1_000_000).all(|us: i32| nearest(f64::from(us) / 1000.0 * 1000.0) == i64::from(us)));
        assert_eq!([-0.5, 0.5, 1e300, -1e300, f64::NAN].map(nearest), [-1, 1, i64::MAX, i64::MIN, 0]);
    }
}
