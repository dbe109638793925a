//! The memory of benchmarks: what ours takes over what bare PostgreSQL takes in the same run, in a file of one JSON
//! object a line. The less, the better, whatever the machine; so a later run can be held against an earlier one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where ratios are kept: `record` appends to it, `check` holds the run against its last line of the same benchmark.
const HISTORY: &str = "BENCH_HISTORY";

/// `record` or `check`.
const MEMORY: &str = "BENCH_MEMORY";

/// The commit that is measured.
const COMMIT: &str = "BENCH_COMMIT";

/// So much more than the accepted ratio is too much.
const TOO_MUCH: f64 = 1.1;

/// The ratios of a run, by name.
#[derive(Clone, Debug)]
pub struct Ratios {
    bench: String,
    size: String,
    rounds: BTreeMap<String, Vec<f64>>,
}

/// A ratio over the rounds of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Ratio {
    median: f64,
    least: f64,
    most: f64,
}

/// A line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    bench: String,
    size: String,
    commit: String,
    date: Timestamp,
    ratios: BTreeMap<String, Ratio>,
}

impl Ratios {
    /// Of a benchmark at a size: only runs of one size can be compared.
    #[must_use]
    pub fn new(bench: &str, size: &str) -> Self {
        Self { bench: bench.to_owned(), size: size.to_owned(), rounds: BTreeMap::new() }
    }

    /// What one round has shown.
    pub fn add(&mut self, name: &str, ratio: f64) {
        self.rounds.entry(name.to_owned()).or_default().push(ratio);
    }

    /// The medians with what the rounds differ, as a table; then as the environment says, appends them to the history
    /// or holds them against it.
    ///
    /// # Errors
    /// When a ratio is worse than the accepted one, or the history cannot be read or written.
    pub fn finish(self) -> anyhow::Result<String> {
        let ratios: BTreeMap<String, Ratio> =
            self.rounds.iter().map(|(name, rounds)| (name.clone(), Ratio::of(rounds))).collect();
        let mut said = String::new();
        for (name, ratio) in &ratios {
            let _ = writeln!(said, "{name:<36} {:>8.2}  ({:.2} to {:.2})", ratio.median, ratio.least, ratio.most);
        }
        let Ok(history) = std::env::var(HISTORY) else { return Ok(said) };
        let history = Path::new(&history);
        match std::env::var(MEMORY).as_deref() {
            Ok("record") => {
                let commit = std::env::var(COMMIT).unwrap_or_default();
                let line = Line { bench: self.bench, size: self.size, commit, date: Timestamp::now(), ratios };
                append(history, &line)?;
            }
            Ok("check") => {
                let accepted = last(history, &self.bench, &self.size)?;
                let accepted = accepted.with_context(|| {
                    format!("{} has no line of {} at size {}", history.display(), self.bench, self.size)
                })?;
                let worse = worse(&ratios, &accepted.ratios);
                let of = format!("{} at {}", accepted.bench, accepted.commit);
                ensure!(worse.is_empty(), "{said}worse than {of}:\n{}", worse.join("\n"));
                let _ = writeln!(said, "none is worse than {of}");
            }
            _ => {}
        }
        Ok(said)
    }
}

impl Ratio {
    fn of(rounds: &[f64]) -> Self {
        // Three digits tell all that a run can.
        let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
        let (least, most) = (percentile(rounds, 0.0), percentile(rounds, 1.0));
        Self { median: rounded(median(rounds)), least: rounded(least), most: rounded(most) }
    }
}

/// The value in the middle.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The value that this share of all does not exceed; not a number where there is none.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// What is worse by more than a tenth, and beyond what the rounds of either run differ.
fn worse(now: &BTreeMap<String, Ratio>, accepted: &BTreeMap<String, Ratio>) -> Vec<String> {
    let mut worse = Vec::new();
    for (name, before) in accepted {
        match now.get(name) {
            None => worse.push(format!("{name}: not measured any more")),
            Some(now) if now.median > before.median * TOO_MUCH && now.least > before.most => {
                worse.push(format!("{name}: {:.2}, was {:.2}", now.median, before.median));
            }
            Some(_) => {}
        }
    }
    worse
}

fn append(history: &Path, line: &Line) -> anyhow::Result<()> {
    let line = serde_json::to_string(line).context("write a line")?;
    fs::create_dir_all(history.parent().context("find the folder of the history")?).context("make it")?;
    let mut file = OpenOptions::new().create(true).append(true).open(history).context("open the history")?;
    writeln!(file, "{line}").context("append to the history")
}

/// The last line of a benchmark at a size.
fn last(history: &Path, bench: &str, size: &str) -> anyhow::Result<Option<Line>> {
    let text = fs::read_to_string(history).with_context(|| format!("read {}", history.display()))?;
    for line in text.lines().rev().filter(|line| !line.trim().is_empty()) {
        let line: Line = serde_json::from_str(line).context("read a line of the history")?;
        if line.bench == bench && line.size == size {
            return Ok(Some(line));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(least: f64, median: f64, most: f64) -> BTreeMap<String, Ratio> {
        BTreeMap::from([("list 1 h".to_owned(), Ratio { median, least, most })])
    }

    #[test]
    fn worse_is_a_tenth_more_and_beyond_what_rounds_differ() {
        let accepted = one(0.9, 1.0, 1.15);
        assert!(worse(&one(1.2, 1.3, 1.4), &accepted).len() == 1);
        assert!(worse(&one(1.1, 1.3, 1.4), &accepted).is_empty(), "a round was as good as one before");
        assert!(worse(&one(0.99, 1.09, 1.2), &one(0.97, 1.0, 0.98)).is_empty(), "less than a tenth");
        assert!(worse(&one(0.1, 0.2, 0.3), &accepted).is_empty(), "better");
        assert!(worse(&BTreeMap::new(), &accepted).len() == 1, "what is not measured hides what it costs");
    }

    #[test]
    fn a_share_of_all_is_a_value_of_theirs() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert!((median(&values) - 3.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 0.95) - 5.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 0.0) - 1.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_run_is_held_against_the_last_line_of_its_benchmark_and_size() {
        let directory = std::env::temp_dir().join(format!("ratios-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let history = directory.join("history.jsonl");
        let line = |size: &str, commit: &str| Line {
            bench: "reads".to_owned(),
            size: size.to_owned(),
            commit: commit.to_owned(),
            date: Timestamp::UNIX_EPOCH,
            ratios: one(0.9, 1.0, 1.1),
        };
        for (size, commit) in [("full", "a"), ("full", "b"), ("small", "c")] {
            append(&history, &line(size, commit)).unwrap();
        }
        assert_eq!(last(&history, "reads", "full").unwrap().unwrap().commit, "b");
        assert!(last(&history, "ingest", "full").unwrap().is_none());
        fs::remove_dir_all(directory).unwrap();
    }
}
