//! What a failure says about the store itself, in words that stand after "since …:".

use std::error::Error;
use std::io;

use tokio_postgres::error::SqlState;

/// What an SQLSTATE says about the store itself; `None` where the fault is the statement's or the values'.
#[must_use]
pub fn why(state: &SqlState) -> Option<&'static str> {
    Some(match state.code() {
        "53100" => "its disk is full",
        "53200" => "it has not enough memory",
        "53300" => "it takes no more connections",
        "25006" => READ_ONLY,
        "42501" => "the server's role may not do what it has to",
        "57014" => "a statement took too long",
        "57P03" => STARTING,
        "3D000" | "28000" | "28P01" => "it refuses the server's sign-in",
        "58030" => "it cannot read or write its disk",
        "XX001" | "XX002" => "its data are damaged",
        code => match &code[..2] {
            "53" => "it lacks something that it needs",
            "57" => STOPPED,
            "58" => "its machine fails it",
            "08" => NO_ANSWER,
            _ => return None,
        },
    })
}

/// For a failure without an SQLSTATE: nobody answered.
pub const NO_ANSWER: &str = "it does not answer";
/// For a wait for a connection that was in vain.
pub const NO_CONNECTION: &str = "all of the server's connections to it are in use";
/// For an address at which nobody listens.
const NOBODY: &str = "nothing listens at its address";
/// For a store that takes no changes.
pub const READ_ONLY: &str = "it only reads: it is a standby, or set to read only";
const STARTING: &str = "it is starting up or shutting down";
const STOPPED: &str = "it is being stopped";
/// What is over as soon as it answers.
pub const UNANSWERED: [&str; 5] = [NO_ANSWER, NO_CONNECTION, NOBODY, STARTING, STOPPED];

/// What a failure without an SQLSTATE says: refused at once, or no answer at all.
pub(crate) fn without_state(error: &dyn Error) -> &'static str {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return NOBODY;
        }
        cause = error.source();
    }
    NO_ANSWER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_values_is_none_of_the_stores() {
        assert_eq!(why(&SqlState::UNIQUE_VIOLATION), None);
        assert_eq!(why(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE), None);
    }
}
