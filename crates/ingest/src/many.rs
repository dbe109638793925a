//! Several batches in one body: each is the batch's own bytes behind their length as a varint, as protobuf delimits
//! messages, and has the answer that it would have had alone.
//!
//! They are taken in their order. A few wait for the store at a time, so that they share a transaction.

use bytes::Bytes;

use crate::{Compression, Encoding, Ingest, Push, PushAnswer, PushError, Taken, blocking, busy, protobuf};

/// The most batches in one body.
pub const MAX_BATCHES: usize = 256;

/// The most batches of one body that wait for the store at a time.
const AT_ONCE: usize = 32;

impl Ingest {
    /// Takes several batches of one collector in; one that fails does not fail the others.
    ///
    /// # Errors
    /// When the body as a whole cannot be taken: then nothing of it was stored.
    pub async fn push_many(&self, many: Push) -> Result<Vec<Result<PushAnswer, PushError>>, PushError> {
        let Push { collector_id, room, compression, body, now, since, .. } = many;
        let (bodies, bytes) = blocking(move || {
            let decoded = Bytes::from(compression.decode(&body)?);
            Ok::<_, PushError>((split(&decoded)?, decoded.len() as u64))
        })
        .await??;
        let room = room.grow(bytes).ok_or_else(busy)?;
        let mut answers = Vec::with_capacity(bodies.len());
        let mut waiting = Vec::with_capacity(AT_ONCE);
        for body in bodies {
            let (encoding, compression) = (Encoding::Protobuf, Compression::None);
            let push =
                || Push { collector_id, room: room.inside(), encoding, compression, body: body.clone(), now, since };
            let mut taken = self.take(push()).await;
            if matches!(taken, Err(PushError::Busy { .. })) && waiting.iter().any(Result::is_ok) {
                // Those before it have the room.
                self.answer_all(&mut waiting, &mut answers).await;
                taken = self.take(push()).await;
            }
            waiting.push(taken);
            if waiting.len() == AT_ONCE {
                self.answer_all(&mut waiting, &mut answers).await;
            }
        }
        self.answer_all(&mut waiting, &mut answers).await;
        Ok(answers)
    }

    async fn answer_all(
        &self,
        waiting: &mut Vec<Result<Taken, PushError>>,
        answers: &mut Vec<Result<PushAnswer, PushError>>,
    ) {
        for taken in waiting.drain(..) {
            answers.push(match taken {
                Ok(taken) => self.answer(taken).await,
                Err(error) => Err(error),
            });
        }
    }
}

/// The batches of a body, without copying them.
///
/// # Errors
/// 400 when there is none or the last one is cut off, 413 when there are too many.
pub(crate) fn split(body: &Bytes) -> Result<Vec<Bytes>, PushError> {
    let mut batches = Vec::new();
    let mut rest = body.as_ref();
    while !rest.is_empty() {
        if batches.len() == MAX_BATCHES {
            return Err(PushError::TooLarge { reason: format!("more than {MAX_BATCHES} batches in one body") });
        }
        let length = protobuf::varint(&mut rest).and_then(|length| usize::try_from(length).ok());
        let parts = length.and_then(|length| rest.split_at_checked(length));
        let Some((batch, after)) = parts else {
            let reason = format!("batch {} of the body is cut off, or its length is no varint", batches.len() + 1);
            return Err(PushError::Malformed { reason });
        };
        batches.push(body.slice_ref(batch));
        rest = after;
    }
    if batches.is_empty() {
        return Err(PushError::Malformed { reason: "the body holds no batch".to_owned() });
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn malformed(body: &[u8]) -> bool {
        matches!(split(&Bytes::copy_from_slice(body)), Err(PushError::Malformed { .. }))
    }

    #[test]
    fn what_is_cut_off_empty_or_claims_too_much_is_refused() {
        assert!(malformed(b""));
        assert!(malformed(&[0x80]), "a varint that is cut off");
        assert!(malformed(&[0xff; 11]), "a varint without an end");
        assert!(malformed(&[0x80, 0x80, 0x80, 0x80, 0x04, 1, 2, 3]), "a length of a gibibyte");
        assert!(malformed(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1]), "a length of 2^64 - 1");
        assert!(malformed(&[1, 7, 2, 7]), "bytes behind the last batch");
        assert!(split(&vec![0; MAX_BATCHES].into()).is_ok());
        assert!(matches!(split(&vec![0; MAX_BATCHES + 1].into()), Err(PushError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn batches_come_out_as_they_went_in(batches in proptest::collection::vec(any::<Vec<u8>>(), 1..20)) {
            let body: Vec<u8> = batches.iter().flat_map(|batch| {
                let mut one = Vec::new();
                prost::encode_length_delimiter(batch.len(), &mut one).unwrap();
                one.extend(batch);
                one
            }).collect();
            let out = split(&body.clone().into()).unwrap();
            prop_assert_eq!(out, batches.clone());
            // Cut anywhere, it is whole batches, or refused.
            for end in 0..body.len() {
                if let Ok(out) = split(&body[..end].to_vec().into()) {
                    prop_assert!(batches.starts_with(&out.iter().map(|batch| batch.to_vec()).collect::<Vec<_>>()));
                }
            }
        }

        #[test]
        fn any_bytes_are_batches_or_refused(body in any::<Vec<u8>>()) {
            if let Ok(batches) = split(&body.clone().into()) {
                prop_assert!(batches.iter().map(Bytes::len).sum::<usize>() < body.len());
            }
        }
    }
}
