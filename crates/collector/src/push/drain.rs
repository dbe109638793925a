//! Several batches in one request, while a backlog is drained: oldest first, and an answer for each.
//!
//! A batch's bytes stay as they lie in the spool, compressed; a frame with their length goes before them. What is not
//! taken stays where it is, and what is next goes alone, so that definitions, refusals and servers that know nothing of
//! several batches are met in one place.

use anyhow::{Context, Result};
use prost::Message;

use super::{Progress, Pusher, Sent, Step};
use crate::backend::Answer;
use crate::spool::{Pending, Record};

/// The most batches in one request.
const MOST: usize = 64;

/// Their most bytes as they lie in the spool, unless one alone has more.
const MOST_BYTES: usize = 1 << 20;

/// Their most bytes unfolded; the server takes 64 MiB.
const MOST_UNFOLDED: usize = 16 << 20;

/// How a backlog is sent.
#[derive(Debug, Default)]
pub(super) struct Drain {
    /// One goes alone.
    alone: bool,
    /// So many go alone, since the server did not take several.
    refused: u32,
}

/// The body of a request, and the batches in it.
#[derive(Default)]
struct Joined {
    body: Vec<u8>,
    batches: Vec<(Pending, Record)>,
}

/// How many requests of one batch follow on one of several that was refused as a whole.
const ALONE_AFTER_REFUSAL: u32 = 1000;

impl Drain {
    /// How many batches may go together.
    pub(super) fn most(&mut self) -> usize {
        self.refused = self.refused.saturating_sub(1);
        let alone = std::mem::take(&mut self.alone) || self.refused > 0;
        if alone { 1 } else { MOST }
    }
}

/// Of the batches that wait those that fit into one request: at least the first, and none that cannot be read beside
/// others.
pub(super) fn together(waiting: impl Iterator<Item = (Pending, Option<Record>)>) -> Vec<(Pending, Option<Record>)> {
    let mut bytes = 0;
    let mut together = Vec::new();
    for (pending, record) in waiting {
        bytes += record.as_ref().map_or(MOST_BYTES, |record| record.batch.len());
        if !together.is_empty() && (bytes > MOST_BYTES || record.is_none()) {
            break;
        }
        let is_readable = record.is_some();
        together.push((pending, record));
        if !is_readable {
            break;
        }
    }
    together
}

impl Pusher {
    /// Sends several batches in one request.
    pub(super) async fn drain(
        &self,
        progress: &mut Progress,
        next: Vec<(Pending, Option<Record>)>,
        sent: &Sent,
    ) -> Result<Step> {
        let Joined { body, batches } = self.join(next, progress)?;
        if batches.len() < 2 {
            progress.drain.alone = true;
            return Ok(Step::Sent);
        }
        let token = progress.token();
        let answers = match self.backend.push_many(&token, body).await {
            Ok(answers) if answers.len() == batches.len() => answers,
            Ok(_) => return self.not_several(progress, "there are not as many answers as batches"),
            Err(Answer::Refused(reason)) => return self.not_several(progress, &reason),
            Err(Answer::Accepted(_) | Answer::UnknownDefinition) => {
                return self.not_several(progress, "it answered as to one batch");
            }
            // What the whole is answered, its first batch would be; there may be room for that one.
            Err(answer) => {
                progress.drain.alone = true;
                return self.settle(progress, answer, batches.into_iter().next(), sent).await;
            }
        };
        let mut step = Step::Sent;
        for (batch, answer) in batches.into_iter().zip(answers) {
            if matches!(answer, Answer::UnknownDefinition) {
                progress.drain.alone = true;
                continue;
            }
            match self.settle(progress, answer, Some(batch), sent).await? {
                Step::Sent => {}
                other => step = other,
            }
        }
        Ok(step)
    }

    /// Nothing is lost by it: each goes alone.
    fn not_several(&self, progress: &mut Progress, reason: &str) -> Result<Step> {
        tracing::warn!(reason, "the server does not take several batches at once; they are sent one by one");
        progress.drain.refused = ALONE_AFTER_REFUSAL;
        Ok(Step::Sent)
    }

    /// The body of a request of several batches, as many as can be unfolded and fit.
    fn join(&self, next: Vec<(Pending, Option<Record>)>, progress: &Progress) -> Result<Joined> {
        let (mut joined, mut unfolded) = (Joined::default(), 0);
        for (pending, record) in next {
            let Some(record) = record else { break };
            let Ok(batch) = wire::decompress(&record.batch, MOST_UNFOLDED) else { break };
            let behind = self.behind(Some(&record), progress).encode_to_vec();
            let length = batch.len() + behind.len();
            unfolded += length;
            if unfolded > MOST_UNFOLDED {
                break;
            }
            let mut delimiter = Vec::new();
            prost::encode_length_delimiter(length, &mut delimiter).context("write a length")?;
            joined.body.extend(wire::compress(&delimiter).context("compress a length")?);
            joined.body.extend(&record.batch);
            joined.body.extend(wire::compress(&behind).context("compress the status")?);
            joined.batches.push((pending, record));
        }
        Ok(joined)
    }
}
