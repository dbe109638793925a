//! Where PostgreSQL stops (`SetTransactionIdLimit` and `SetMultiXactIdLimit` in its source).

/// Ids that are ahead of the oldest one at most: half of 2^32, less one.
const AHEAD_AT_MOST: i64 = (1 << 31) - 1;

/// The reserve became three million with this `server_version_num`.
const WIDER_RESERVE: u32 = 140_000;

/// The age at which no transaction id is assigned any more. Without a version that of newer ones, which is earlier.
#[must_use]
pub fn xid_stop(version_num: Option<u32>) -> i64 {
    AHEAD_AT_MOST - if is_narrow(version_num) { 1_000_000 } else { 3_000_000 }
}

/// The same for multixacts.
#[must_use]
pub fn mxid_stop(version_num: Option<u32>) -> i64 {
    AHEAD_AT_MOST - if is_narrow(version_num) { 100 } else { 3_000_000 }
}

fn is_narrow(version_num: Option<u32>) -> bool {
    version_num.is_some_and(|version| version < WIDER_RESERVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_depends_on_the_version() {
        assert_eq!(xid_stop(Some(180_000)), 2_144_483_647);
        assert_eq!((xid_stop(None), mxid_stop(None)), (2_144_483_647, 2_144_483_647));
        assert_eq!((xid_stop(Some(130_016)), mxid_stop(Some(130_016))), (2_146_483_647, 2_147_483_547));
    }
}
