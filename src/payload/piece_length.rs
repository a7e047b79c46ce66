//! How long a piece is.

/// Shortest piece chosen: four blocks.
pub const PIECE_LENGTH_MIN: u32 = 64 * 1024;

/// Longest piece chosen: more would make the last pieces of a download wait for one peer.
pub const PIECE_LENGTH_MAX: u32 = 16 * 1024 * 1024;

/// Pieces wanted at most while the piece length can still grow.
const PIECES_WANTED: u64 = 2_048;

/// Returns the piece length for a payload of `total` bytes: a power of two from 64 KiB to 16 MiB.
///
/// From 64 MiB to 32 GiB there are more than 1,024 and at most 2,048 pieces: enough for every host to have something that
/// others lack, few enough that a `have` for each costs nothing.
///
/// ```
/// use rookery::payload::piece_length_for;
/// assert_eq!(piece_length_for(10 << 30), 8 << 20);
/// ```
pub fn piece_length_for(total: u64) -> u32 {
    let mut length = PIECE_LENGTH_MIN;
    while length < PIECE_LENGTH_MAX && total.div_ceil(u64::from(length)) > PIECES_WANTED {
        length *= 2;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_piece_length_grows_with_the_payload() {
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;
        for (total, length) in [
            (1, 64 * KIB),
            (128 * MIB, 64 * KIB),
            (128 * MIB + 1, 128 * KIB),
            (GIB, 512 * KIB),
            (10 * GIB, 8 * MIB),
            (32 * GIB, 16 * MIB),
            (1 << 40, 16 * MIB),
        ] {
            assert_eq!(u64::from(piece_length_for(total)), length, "{total} bytes");
        }
    }

    #[test]
    fn there_are_about_one_to_four_thousand_pieces() {
        for shift in 26..35 {
            let total = (1_u64 << shift) + 12_345;
            let count = total.div_ceil(u64::from(piece_length_for(total)));
            assert!((1_000..=4_000).contains(&count), "{count} pieces for {total} bytes");
        }
    }
}
