//! What it costs an instance to follow a proposal, from `catalog/costs.toml`. Who proposes something asks here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Costs {
    needed: BTreeMap<String, String>,
    optional: BTreeMap<String, String>,
}

static COSTS: LazyLock<Costs> =
    LazyLock::new(|| toml::from_str(include_str!("../../../catalog/costs.toml")).expect("a test reads the file"));

/// What a proposal costs, as the end of a sentence without subject: of a set's grant, a setting's name, or a statement
/// without its semicolon. `None` where nobody has said, as for grants of one's own sets.
#[must_use]
pub fn cost(proposal: &str) -> Option<&'static str> {
    COSTS.needed.get(proposal).or_else(|| COSTS.optional.get(proposal)).map(String::as_str)
}

/// Whether it is as good a choice not to follow a proposal: PostgreSQL has it off because of what it costs.
#[must_use]
pub fn is_optional(proposal: &str) -> bool {
    COSTS.optional.contains_key(proposal)
}

/// Every proposal with its cost: what watching needs first, then what is optional.
pub fn costs() -> impl Iterator<Item = (&'static str, &'static str)> {
    COSTS.needed.iter().chain(&COSTS.optional).map(|(proposal, cost)| (proposal.as_str(), cost.as_str()))
}
