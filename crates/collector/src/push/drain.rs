//! Several batches in one request: of several lanes, and of each, while a backlog is drained, the oldest first. Each has
//! an answer of its own.
//!
//! A batch's bytes stay as they lie in the spool, compressed; a frame with their length goes before them. What is not
//! taken stays where it is, and what is next goes alone, so that refusals and servers that know nothing of several
//! batches are met in one place.

use std::sync::Arc;

use anyhow::{Context, Result};
use prost::Message;

use super::{Beside, Progress, Pusher, Sent, Step, Waiting};
use crate::backend::Answer;
use crate::lanes::Lane;
use crate::spool::{Pending, Record};

/// The most batches in one request.
const MOST: usize = 64;

/// Their most bytes as they lie in the spool, unless one alone has more.
pub(super) const MOST_BYTES: usize = 1 << 20;

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
    batches: Vec<Travelling>,
}

/// A record in a request; none for a sign of life.
struct Travelling {
    lane: Arc<Lane>,
    batch: Option<(Pending, Record)>,
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

/// Of what waits in several lanes what fits into one request: one of each, then the next of each.
pub(super) fn side_by_side(waiting: Vec<Vec<Waiting>>, most: usize) -> Vec<Waiting> {
    let mut lanes: Vec<_> = waiting.into_iter().map(Vec::into_iter).collect();
    let (mut bytes, mut together): (usize, Vec<Waiting>) = (0, Vec::new());
    loop {
        let before = together.len();
        for lane in &mut lanes {
            let Some(next) = lane.next() else { continue };
            let record = next.batch.as_ref().and_then(|(_, record)| record.as_ref());
            // What cannot be read goes alone.
            bytes += record.map_or(MOST_BYTES, |record| record.batch.len());
            let fits = together.is_empty() || (record.is_some() && bytes <= MOST_BYTES);
            if !fits || together.len() >= most {
                return together;
            }
            let is_readable = record.is_some();
            together.push(next);
            if !is_readable {
                return together;
            }
        }
        if together.len() == before {
            return together;
        }
    }
}

impl Pusher {
    /// Sends several batches in one request.
    pub(super) async fn drain(&self, progress: &mut Progress, next: Vec<Waiting>, sent: &Sent) -> Result<Step> {
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
                let Some(Travelling { lane, batch }) = batches.into_iter().next() else { return Ok(Step::Sent) };
                return self.settle(progress, answer, &lane, batch, sent).await;
            }
        };
        let mut step = Step::Sent;
        let mut unknown = Vec::new();
        for (Travelling { lane, batch }, answer) in batches.into_iter().zip(answers) {
            if matches!(answer, Answer::UnknownDefinition) {
                unknown.push((lane, batch));
                continue;
            }
            match self.settle(progress, answer, &lane, batch, sent).await? {
                Step::Sent => {}
                other => step = other,
            }
        }
        // What was read by something that the server does not know yet goes alone, and is told of first.
        if !matches!(step, Step::Sent) && !unknown.is_empty() {
            progress.drain.alone = true;
            return Ok(step);
        }
        for (lane, batch) in unknown {
            let batch = batch.map(|(pending, record)| (pending, Some(record)));
            match self.send(progress, Waiting { lane, batch }, sent).await? {
                Step::Sent => {}
                other => return Ok(other),
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
    fn join(&self, next: Vec<Waiting>, progress: &Progress) -> Result<Joined> {
        let (mut joined, mut unfolded) = (Joined::default(), 0);
        let records: Vec<u64> = next.iter().filter_map(|one| Some(one.batch.as_ref()?.0.bytes())).collect();
        let all = Beside { records: records.len() as u64, bytes: records.iter().sum() };
        for Waiting { lane, batch } in next {
            let batch = match batch {
                Some((_, None)) => break,
                Some((pending, Some(record))) => Some((pending, record)),
                None => None,
            };
            let record = batch.as_ref().map(|(_, record)| record);
            // What is not known to fit goes alone.
            let Some(content) = record.map_or(Some(0), |record| wire::content_len(&record.batch)) else { break };
            let own = batch.as_ref().map_or(0, |(pending, _)| pending.bytes());
            let beside = Beside { records: all.records - u64::from(batch.is_some()), bytes: all.bytes - own };
            let behind = self.behind(&lane, record, progress, beside).encode_to_vec();
            let length = content + behind.len();
            unfolded += length;
            if unfolded > MOST_UNFOLDED {
                break;
            }
            let mut delimiter = Vec::new();
            prost::encode_length_delimiter(length, &mut delimiter).context("write a length")?;
            joined.body.extend(wire::compress(&delimiter).context("compress a length")?);
            joined.body.extend(record.map(|record| record.batch.as_slice()).unwrap_or_default());
            joined.body.extend(wire::compress(&behind).context("compress the status")?);
            joined.batches.push(Travelling { lane, batch });
        }
        Ok(joined)
    }
}
