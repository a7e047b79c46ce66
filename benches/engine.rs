//! What the engine does millions of times: choosing pieces, cutting messages out of bytes, hashing, and the frames of
//! console and agent. `cargo bench` runs it; docs/performance.md has the numbers.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use rookery::base::{BLOCK_LENGTH, Bitfield, ByteCount, InfoHash, Instant, Layout, PeerId, PieceIndex};
use rookery::control::{Codec, Progress, Status, encode};
use rookery::payload::hash_pieces;
use rookery::swarm::{Config, ConnectionId, Input, Output, Swarm};
use rookery::wire::{Framer, Handshake, Message};

const INFO_HASH: InfoHash = InfoHash::new([7; 20]);
const PIECES: u32 = 10_000;
const PEERS: u8 = 50;

fn main() {
    divan::main();
}

/// A swarm of 10,000 one-block pieces and 50 peers, each with two thirds of them, each asked for all it may be.
fn busy_swarm() -> (Swarm, Vec<(ConnectionId, PieceIndex)>) {
    let layout = Layout::new(u64::from(PIECES) * u64::from(BLOCK_LENGTH), BLOCK_LENGTH).expect("a payload");
    let none = Bitfield::empty(PIECES);
    let mut swarm = Swarm::new(Config::default(), 1, layout, PeerId::new([0; 20]), INFO_HASH, none);
    let mut rng = fastrand::Rng::with_seed(1);
    for number in 1..=PEERS {
        let connection = ConnectionId(u64::from(number));
        let mut has = Bitfield::empty(PIECES);
        layout.pieces().filter(|_| rng.u8(..) < 170).for_each(|piece| {
            has.insert(piece);
        });
        let handshake = Handshake::new(INFO_HASH, PeerId::new([number; 20]));
        let address = SocketAddr::from(([10, 0, 0, number], 6881));
        for input in [
            Input::Accepted { address, connection },
            Input::Handshaken { connection, handshake },
            Input::Received { connection, message: Message::Bitfield(Bytes::copy_from_slice(has.as_bytes())) },
            Input::Received { connection, message: Message::Unchoke },
        ] {
            swarm.handle_input(Instant::ZERO, input);
        }
    }
    let asked = drain(&mut swarm);
    (swarm, asked)
}

/// What was asked for, by whom.
fn drain(swarm: &mut Swarm) -> Vec<(ConnectionId, PieceIndex)> {
    let mut asked = Vec::new();
    while let Some(output) = swarm.poll_output() {
        if let Output::Send { connection, message: Message::Request(block) } = output {
            asked.push((connection, block.piece));
        }
    }
    asked
}

/// A block comes, and the next ones are chosen: the whole way through the machine, hash and HAVE left out.
#[divan::bench]
fn block_received_and_the_next_picked(bencher: Bencher<'_, '_>) {
    static PAGE: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];
    bencher.counter(ItemsCount::new(50_u32)).with_inputs(busy_swarm).bench_values(|(mut swarm, asked)| {
        for (connection, piece) in asked.into_iter().take(50) {
            let message = Message::Piece { piece, begin: 0, data: Bytes::from_static(&PAGE) };
            swarm.handle_input(Instant::ZERO, Input::Received { connection, message });
            divan::black_box(drain(&mut swarm));
        }
        swarm
    });
}

/// 8 MiB of blocks out of reads of 64 KiB.
#[divan::bench]
fn framer_cuts_blocks(bencher: Bencher<'_, '_>) {
    let mut stream = Handshake::new(INFO_HASH, PeerId::new([1; 20])).encode().to_vec();
    for piece in 0..512 {
        let data = Bytes::from(vec![1; BLOCK_LENGTH as usize]);
        stream.extend_from_slice(&Message::Piece { piece: PieceIndex(piece), begin: 0, data }.to_bytes());
    }
    bencher.counter(BytesCount::new(stream.len())).bench(|| {
        let mut framer = Framer::new();
        let mut messages = 0;
        for read in stream.chunks(64 << 10) {
            framer.buffer_mut().extend_from_slice(read);
            while let Ok(Some(received)) = framer.poll() {
                divan::black_box(received);
                messages += 1;
            }
        }
        messages
    });
}

/// 64 MiB of a file in pieces of 1 MiB, on all cores, as a host verifies what it has.
#[divan::bench(sample_count = 10)]
fn pieces_hashed(bencher: Bencher<'_, '_>) {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(&vec![5; 64 << 20]).expect("room for 64 MiB");
    let layout = Layout::new(64 << 20, 1 << 20).expect("a payload");
    bencher.counter(BytesCount::new(64_u64 << 20)).bench(|| hash(&file, &layout));
}

fn hash(file: &File, layout: &Layout) -> usize {
    let which: Vec<PieceIndex> = layout.pieces().collect();
    let progress = |_: ByteCount| ();
    let hashed = hash_pieces(file, Path::new("bench"), layout, &which, &AtomicBool::new(false), &progress);
    hashed.map_or(0, |hashes| hashes.len())
}

/// The progress of a thousand hosts, written and read.
#[divan::bench]
fn control_frames_written_and_read(bencher: Bencher<'_, '_>) {
    let status = Status::Progress(Progress {
        pieces: 300,
        completed: vec![(0, 120), (200, 380)],
        bytes_down: ByteCount(1 << 30),
        ..Progress::default()
    });
    bencher.counter(ItemsCount::new(1000_u32)).bench(|| {
        let mut codec = Codec::clean();
        let mut read = 0;
        for _ in 0..1000 {
            let (head, bulk) = encode(1, divan::black_box(&status));
            codec.push(&head);
            codec.push(&bulk);
            while let Ok(Some(status)) = codec.poll::<Status>() {
                divan::black_box(&status);
                read += 1;
            }
        }
        read
    });
}
