//! Descriptors of this process: as many as the system allows, and how many are left for connections.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// For log, files, the runtime, and connections that are on their way out.
const OTHERS: u64 = 128;

/// Fewer connections than this make no server.
const LEAST: usize = 16;

/// Raises the soft limit to the hard one, and says what is in force.
pub(super) fn raise() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    if soft >= hard {
        return soft;
    }
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, soft, hard, "the limit of open files stays as it is");
            soft
        }
    }
}

/// How many connections fit beside the pools.
pub(super) fn left_for_connections(descriptors: u64, pools: usize) -> usize {
    let others = OTHERS.saturating_add(u64::try_from(pools).unwrap_or(u64::MAX));
    usize::try_from(descriptors.saturating_sub(others)).unwrap_or(usize::MAX).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_and_files_have_theirs_first() {
        assert_eq!(left_for_connections(1024, 180), 716);
        assert_eq!(left_for_connections(64, 180), LEAST);
        assert!(raise() > 0);
    }
}
