//! Decompression is bounded, whatever the bytes claim.

use proptest::prelude::*;
use proptest::sample::Index;
use wire::{CompressError, compress, decompress};

/// A frame's header that claims a window of 2^30 bytes and an unknown content, and an empty last block.
const WIDE_WINDOW: [u8; 9] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00];

#[test]
fn a_bomb_is_refused_at_the_bound() {
    let bomb = compress(&vec![0; 64 << 20]).unwrap();
    assert!(bomb.len() < 16 << 10, "{} bytes are no bomb", bomb.len());
    assert!(matches!(decompress(&bomb, 1 << 20), Err(CompressError::TooLong { limit }) if limit == 1 << 20));
}

#[test]
fn a_bomb_of_many_frames_is_refused_at_the_bound() {
    let frame = compress(&vec![0; 1 << 20]).unwrap();
    let bomb = frame.repeat(100);
    assert!(matches!(decompress(&bomb, 64 << 20), Err(CompressError::TooLong { .. })));
    assert_eq!(decompress(&frame.repeat(64), 64 << 20).unwrap().len(), 64 << 20);
}

#[test]
fn the_bound_itself_is_allowed() {
    let bytes = compress(&[7; 1000]).unwrap();
    assert_eq!(decompress(&bytes, 1000).unwrap(), [7; 1000]);
    assert!(matches!(decompress(&bytes, 999), Err(CompressError::TooLong { limit: 999 })));
}

#[test]
fn a_window_beyond_the_bound_is_refused() {
    assert!(matches!(decompress(&WIDE_WINDOW, 1 << 20), Err(CompressError::Corrupt(_))));
    // The same with a window of 1 MiB is whole, and empty.
    let mut narrow = WIDE_WINDOW;
    narrow[5] = 0x50;
    assert_eq!(decompress(&narrow, 1 << 20).unwrap(), []);
}

proptest! {
    #[test]
    fn bytes_come_back(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5)) {
        let frames: Vec<u8> = parts.iter().flat_map(|part| compress(part).unwrap()).collect();
        prop_assert_eq!(decompress(&frames, 1500).unwrap(), parts.concat());
    }

    #[test]
    fn what_is_cut_off_is_corrupt(part in prop::collection::vec(any::<u8>(), 1..300), cut in any::<Index>()) {
        let frame = compress(&part).unwrap();
        let cut = cut.index(frame.len() - 1) + 1;
        prop_assert!(matches!(decompress(&frame[..cut], 1000), Err(CompressError::Corrupt(_))));
    }

    #[test]
    fn no_bytes_panic_or_pass_the_bound(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(content) = decompress(&bytes, 100) {
            prop_assert!(content.len() <= 100);
        }
    }

    #[test]
    fn garbled_frames_do_not_pass_the_bound(
        part in prop::collection::vec(0..4_u8, 0..500),
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut frame = compress(&part).unwrap();
        for (at, byte) in flips {
            *at.get_mut(&mut frame) = byte;
        }
        if let Ok(content) = decompress(&frame, 600) {
            prop_assert!(content.len() <= 600);
        }
    }
}
