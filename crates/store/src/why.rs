//! What a failure says about the store itself, in words that stand after "since …:".

use tokio_postgres::error::SqlState;

/// What an SQLSTATE says about the store itself; `None` where the fault is the statement's or the values'.
#[must_use]
pub fn why(state: &SqlState) -> Option<&'static str> {
    Some(match state.code() {
        "53100" => "its disk is full",
        "53200" => "it has not enough memory",
        "53300" => "it takes no more connections",
        "25006" => "it only reads: it is a standby, or set to read only",
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
const STARTING: &str = "it is starting up or shutting down";
const STOPPED: &str = "it is being stopped";
/// What is over as soon as it answers.
pub const UNANSWERED: [&str; 4] = [NO_ANSWER, NO_CONNECTION, STARTING, STOPPED];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_values_is_none_of_the_stores() {
        assert_eq!(why(&SqlState::UNIQUE_VIOLATION), None);
        assert_eq!(why(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE), None);
    }
}
