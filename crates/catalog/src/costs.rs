//! What it costs an instance to follow a proposal, from `catalog/costs.toml`. Who proposes something asks here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

static COSTS: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| toml::from_str(include_str!("../../../catalog/costs.toml")).expect("a test reads the file"));

/// What a proposal costs, as the end of a sentence without subject: of a set's grant, a setting's name, or a statement
/// without its semicolon. `None` where nobody has said, as for grants of one's own sets.
#[must_use]
pub fn cost(proposal: &str) -> Option<&'static str> {
    COSTS.get(proposal).map(String::as_str)
}

/// Every proposal with its cost.
pub fn costs() -> impl Iterator<Item = (&'static str, &'static str)> {
    COSTS.iter().map(|(proposal, cost)| (proposal.as_str(), cost.as_str()))
}
