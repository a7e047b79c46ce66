//! Line: the TCP connection to one peer, with what was read and is no message yet, and what waits to be written.
//!
//! Nothing here waits. Bytes are read into buffers that are used again, blocks are read from the files right before they are
//! written, and little is left unsent in the kernel, so that what is said last is not said late.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::storage::Storage;
use crate::base::{BLOCK_LENGTH, Block};
use crate::swarm::{ConnectionId, Input};
use crate::wire::{Framer, Handshake, MESSAGE_LENGTH_MAX, Message, Received};

/// Bytes of messages without blocks that wait for one peer: every `have` of a large payload fits, and a bitfield. A peer
/// that lets more wait is not reading, and is closed.
const QUEUE_MAX: usize = (256 << 10) + MESSAGE_LENGTH_MAX;

/// Bytes written at once: two blocks with their heads, and small messages; what fits a processor's first caches twice.
pub(super) const SCRATCH: usize = 2 * (BLOCK_LENGTH as usize + Message::PIECE_HEAD) + (2 << 10);

/// Bytes read or written before it is another connection's turn.
const TURN_MAX: usize = 256 << 10;

/// Room for reading of a connection that is slow: a block and a half.
const ROOM_MIN: usize = 32 << 10;

/// Room for reading of a connection that is fast.
const ROOM_MAX: usize = 256 << 10;

/// Reads that fill the room of a connection that may be given more; with several times as many it is given less.
const READS_FEW: u32 = 4;

/// Large buffers kept for later.
const SPARE_MAX: usize = 16;

/// Bytes left unsent in the kernel, at least, of a connection that is slow or new: it takes a block when the one before is all but
/// on its way. Two blocks of each of a dozen peers would be a third of a second of a line of 10 Mbit/s.
const UNSENT_MIN: u32 = 4 << 10;

/// Bytes left unsent in the kernel, at most.
const UNSENT_MAX: u32 = 512 << 10;

/// What is left unsent in the kernel lasts about this long: longer than two of the longest waits between turns ([`super::pace`]).
pub(super) const UNSENT_SPAN: Duration = Duration::from_millis(24);

/// Bytes between looks at how fast a connection takes what it is given.
const MEASURE_AFTER: u64 = 256 << 10;

/// Buffers that connections read into, used in turn.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    spare: VecDeque<BytesMut>,
}

impl Buffers {
    fn take(&mut self, room: usize) -> BytesMut {
        // The one given back first is the likeliest to have nobody use its blocks any more.
        let free = self.spare.front_mut().filter(|_| room == ROOM_MAX).is_some_and(|buffer| buffer.try_reclaim(room));
        if free { self.spare.pop_front() } else { None }.unwrap_or_else(|| BytesMut::with_capacity(room))
    }

    fn give_back(&mut self, buffer: BytesMut, room: usize) {
        if room == ROOM_MAX && self.spare.len() < SPARE_MAX {
            self.spare.push_back(buffer);
        }
    }
}

/// A block that is to be written with its head, of which so many bytes are.
#[derive(Debug)]
struct Outgoing {
    block: Block,
    written: usize,
    source: Source,
}

/// Where a block comes from.
#[derive(Debug)]
enum Source {
    /// From the files, if they are in memory.
    Storage,
    /// From the disk, which was asked for it.
    Awaited,
    /// It was read.
    Read(Bytes),
}

/// Whether there is more to read or to write at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    /// There is.
    Now,
    /// The connection's waker is told.
    Later,
    /// The connection has ended.
    Never,
}

/// What came of writing.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Bytes taken by the kernel.
    pub(super) bytes: usize,
    /// Bytes of blocks among them.
    pub(super) payload: u64,
    /// Blocks to be read from the disk; answered by [`Line::fetched`].
    pub(super) cold: Option<Block>,
    /// Blocks that cannot be read; none of them is sent.
    pub(super) unreadable: Vec<Block>,
}

/// One connection.
pub(super) struct Line {
    stream: TcpStream,
    waker: Waker,
    framer: Framer,
    room: usize,
    reads: u32,
    /// Messages without blocks. They go before all blocks but one that is partly written: they are short, and others wait for
    /// what they ask and tell, while a block that comes a little later holds up nobody.
    messages: BytesMut,
    blocks: VecDeque<Outgoing>,
    /// The kernel takes no more at present.
    full: bool,
    unsent_max: u32,
    measured: (Instant, u64),
}

impl Line {
    /// A new connection; `waker` is woken when there is something to read, or room to write after there was none.
    pub(super) fn new(stream: TcpStream, waker: Waker) -> Self {
        // Requests and haves are small and must not wait for each other; without it all is slower, not wrong.
        let _ = stream.set_nodelay(true);
        let line = Self {
            stream,
            waker,
            framer: Framer::new(),
            room: ROOM_MIN,
            reads: 0,
            messages: BytesMut::new(),
            blocks: VecDeque::new(),
            full: false,
            unsent_max: UNSENT_MIN,
            measured: (Instant::now(), 0),
        };
        line.limit_unsent();
        line
    }

    /// Reads what has come and cuts it into inputs; returns how many bytes there were.
    pub(super) fn receive(
        &mut self,
        connection: ConnectionId,
        inputs: &mut VecDeque<Input>,
        buffers: &mut Buffers,
    ) -> (usize, More) {
        let mut total = 0;
        while total < TURN_MAX {
            if self.framer.is_short() {
                self.renew(buffers);
            }
            let buffer = self.framer.buffer_mut();
            let room = buffer.capacity() - buffer.len();
            match self.stream.try_read_buf(buffer) {
                Ok(length) if length > 0 => {
                    (total, self.reads) = (total + length, self.reads + 1);
                    if !self.cut(connection, inputs) {
                        return (total, More::Never);
                    }
                    if length < room {
                        // There is no more: asking the kernel would only confirm it.
                        let _ = self.stream.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.stream.poll_read_ready(&mut Context::from_waker(&self.waker)).is_pending() {
                        return (total, More::Later);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    inputs.push_back(Input::Closed { connection });
                    return (total, More::Never);
                }
            }
        }
        (total, More::Now)
    }

    /// Cuts what was read into inputs; false is that no more can be cut out of this connection.
    fn cut(&mut self, connection: ConnectionId, inputs: &mut VecDeque<Input>) -> bool {
        loop {
            inputs.push_back(match self.framer.poll() {
                Ok(Some(Received::Handshake(handshake))) => Input::Handshaken { connection, handshake },
                Ok(Some(Received::Message(message))) => Input::Received { connection, message },
                Ok(None) => return true,
                Err(error) => {
                    inputs.push_back(Input::Garbled { connection, why: error.to_string() });
                    return false;
                }
            });
        }
    }

    /// Reads into another buffer: a large one if few reads filled the last, a small one if it took many.
    fn renew(&mut self, buffers: &mut Buffers) {
        let before = self.room;
        if (1..=READS_FEW).contains(&self.reads) {
            self.room = (before * 2).min(ROOM_MAX);
        } else if self.reads > 8 * READS_FEW {
            self.room = (before / 2).max(ROOM_MIN);
        }
        self.reads = 0;
        let old = self.framer.exchange(buffers.take(self.room));
        buffers.give_back(old, before);
    }

    /// Queues a handshake.
    pub(super) fn greet(&mut self, handshake: &Handshake) {
        self.messages.extend_from_slice(&handshake.encode());
    }

    /// Queues a message; false is that there are too many.
    pub(super) fn say(&mut self, message: &Message) -> bool {
        if let Some(payload) = message.encode(&mut self.messages) {
            self.messages.extend_from_slice(&payload);
        }
        self.messages.len() <= QUEUE_MAX
    }

    /// Queues a block.
    pub(super) fn serve(&mut self, block: Block) {
        self.blocks.push_back(Outgoing { block, written: 0, source: Source::Storage });
    }

    /// A block was read from the disk, or cannot be; then it is not sent. Says whether it was waited for.
    pub(super) fn fetched(&mut self, fetched: Block, data: Option<Bytes>) -> bool {
        let is_awaited = |out: &Outgoing| out.block == fetched && matches!(out.source, Source::Awaited);
        let Some(at) = self.blocks.iter().position(is_awaited) else { return false };
        match data {
            Some(data) => self.blocks[at].source = Source::Read(data),
            None => drop(self.blocks.remove(at)),
        }
        true
    }

    /// Writes what is queued, as far as the kernel takes it.
    pub(super) fn write(&mut self, storage: &Storage, scratch: &mut [u8], written: &mut Written) -> More {
        if self.full {
            if self.stream.poll_write_ready(&mut Context::from_waker(&self.waker)).is_pending() {
                return More::Later;
            }
            self.full = false;
        }
        while written.bytes < TURN_MAX {
            let Ok(filled) = self.fill(storage, scratch, written) else { return More::Never };
            if filled == 0 {
                return More::Later;
            }
            match self.stream.try_write(&scratch[..filled]) {
                Ok(length) => {
                    written.bytes += length;
                    written.payload += self.advance(length);
                    self.full = length < filled;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.full = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return More::Never,
            }
            if self.full {
                let _ = self.stream.try_io(Interest::WRITABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
                if self.stream.poll_write_ready(&mut Context::from_waker(&self.waker)).is_pending() {
                    return More::Later;
                }
                self.full = false;
            }
        }
        More::Now
    }

    /// Copies what is next into `scratch`, blocks from the files; says how much. Nothing is taken off the queue but what
    /// cannot be read. An error is that a block of which a part is sent cannot be read.
    fn fill(&mut self, storage: &Storage, scratch: &mut [u8], written: &mut Written) -> io::Result<usize> {
        let (mut filled, mut at, mut told) = (0, 0, false);
        loop {
            let free = &mut scratch[filled..];
            let next = self.blocks.get_mut(at);
            if !told && next.as_ref().is_none_or(|next| next.written == 0) {
                told = true;
                let length = self.messages.len().min(free.len());
                free[..length].copy_from_slice(&self.messages[..length]);
                filled += length;
                continue;
            }
            let Some(Outgoing { block, written: before, source }) = next else { break };
            match copy(*block, *before, source, storage, free) {
                Ok(copied) => {
                    filled += copied;
                    at += 1;
                    if *before + copied < Message::PIECE_HEAD + block.length as usize {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if matches!(source, Source::Storage) {
                        (written.cold, *source) = (Some(*block), Source::Awaited);
                    }
                    break;
                }
                Err(error) if *before > 0 => return Err(error),
                Err(_) => {
                    written.unreadable.push(*block);
                    self.blocks.remove(at);
                }
            }
        }
        Ok(filled)
    }

    /// Takes what was written off the queue; says how much of it was blocks.
    fn advance(&mut self, mut length: usize) -> u64 {
        let mut payload = 0;
        while length > 0 {
            let next = self.blocks.front_mut();
            if !self.messages.is_empty() && next.as_ref().is_none_or(|next| next.written == 0) {
                let taken = self.messages.len().min(length);
                self.messages.advance(taken);
                length -= taken;
                continue;
            }
            let Some(Outgoing { block, written, .. }) = next else { break };
            let total = Message::PIECE_HEAD + block.length as usize;
            let taken = (total - *written).min(length);
            let before = written.saturating_sub(Message::PIECE_HEAD);
            *written += taken;
            payload += (written.saturating_sub(Message::PIECE_HEAD) - before) as u64;
            length -= taken;
            if *written == total {
                self.blocks.pop_front();
            }
        }
        self.measure(payload);
        payload
    }

    /// Lets the kernel hold what lasts it [`UNSENT_SPAN`].
    fn measure(&mut self, payload: u64) {
        let (since, bytes) = (self.measured.0, self.measured.1 + payload);
        self.measured.1 = bytes;
        if bytes < MEASURE_AFTER {
            return;
        }
        let took = since.elapsed().max(Duration::from_micros(1));
        self.measured = (Instant::now(), 0);
        let lasting = u128::from(bytes) * UNSENT_SPAN.as_micros() / took.as_micros();
        let wanted = u32::try_from(lasting).unwrap_or(UNSENT_MAX).clamp(UNSENT_MIN, UNSENT_MAX).next_power_of_two();
        if wanted > self.unsent_max || wanted < self.unsent_max / 2 {
            self.unsent_max = wanted;
            self.limit_unsent();
        }
    }

    fn limit_unsent(&self) {
        // Without it more is queued in the kernel, and what is said last is said later.
        let _ = SockRef::from(&self.stream).set_tcp_notsent_lowat(self.unsent_max);
    }
}

/// Copies as much of a block and its head as there is room for; all or nothing if nothing of it is written yet and it fits
/// an empty room.
fn copy(block: Block, before: usize, source: &Source, storage: &Storage, free: &mut [u8]) -> io::Result<usize> {
    let total = Message::PIECE_HEAD + block.length as usize;
    let length = (total - before).min(free.len());
    let cut = before + length < total;
    if length == 0 || (cut && free.len() < SCRATCH && total <= SCRATCH) {
        return Ok(0);
    }
    let head = Message::piece_head(block);
    let left = head.get(before..).unwrap_or_default();
    let left = &left[..left.len().min(length)];
    let (to_head, to_payload) = free[..length].split_at_mut(left.len());
    to_head.copy_from_slice(left);
    let from = (before + left.len()) - Message::PIECE_HEAD.min(before + left.len());
    match source {
        Source::Storage => storage.read_now(block, from, to_payload)?,
        Source::Awaited => return Err(ErrorKind::WouldBlock.into()),
        Source::Read(data) => to_payload.copy_from_slice(&data[from..from + to_payload.len()]),
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PieceIndex;

    const fn block(piece: u32) -> Block {
        Block { piece: PieceIndex(piece), begin: 0, length: BLOCK_LENGTH }
    }

    /// What would be written first: so many bytes of messages, or a part of this piece.
    fn next(line: &Line) -> Result<usize, u32> {
        match line.blocks.front() {
            Some(out) if out.written > 0 || line.messages.is_empty() => Err(out.block.piece.0),
            Some(_) | None => Ok(line.messages.len()),
        }
    }

    #[tokio::test]
    async fn messages_go_before_blocks_that_are_not_begun() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut line = Line::new(stream, Waker::noop().clone());
        line.serve(block(1));
        line.serve(block(2));
        assert!(line.say(&Message::Have(PieceIndex(7))));
        assert_eq!(next(&line), Ok(9));
        assert_eq!(line.advance(9 + 100), 100 - Message::PIECE_HEAD as u64);
        assert!(line.say(&Message::Unchoke) && line.say(&Message::Have(PieceIndex(8))));
        line.serve(block(3));
        assert_eq!(next(&line), Err(1));
        let rest = Message::PIECE_HEAD + BLOCK_LENGTH as usize - 100;
        assert_eq!(line.advance(rest + 3), rest as u64);
        assert_eq!(next(&line), Ok(5 + 9 - 3));
        line.advance(5 + 9 - 3);
        assert_eq!(next(&line), Err(2));
    }
}
