//! A command on an SSH channel, as a [`Channel`]: always drained, until the server has closed it.

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};

use super::gate::Reports;
use crate::driver::channel::{Channel, Exit, LINES_MAX, Lines, OUTPUT_MAX, Signal, printable};

/// Takes over a channel on which a command was requested.
pub(super) fn run(channel: russh::Channel<Msg>, reports: Reports) -> Channel {
    let (read, write) = channel.split();
    let input = Box::new(write.make_writer());
    let (output, sink) = duplex(OUTPUT_MAX);
    let (lines_in, lines) = mpsc::channel(LINES_MAX);
    let (exit_in, exit) = oneshot::channel();
    let (signals, signals_out) = mpsc::channel(2);
    let pump = Pump { read, write, sink, lines: lines_in, signals: signals_out, reports };
    tokio::spawn(async move {
        exit_in.send(pump.run().await).ok();
    });
    Channel { input, output: Box::new(output), lines, exit, signals }
}

struct Pump {
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    sink: DuplexStream,
    lines: mpsc::Sender<String>,
    signals: mpsc::Receiver<Signal>,
    reports: Reports,
}

impl Pump {
    async fn run(mut self) -> Exit {
        let (mut exit, mut partial, mut listening) = (None, Lines::default(), true);
        loop {
            let message = tokio::select! {
                message = self.read.wait() => message,
                signal = self.signals.recv(), if listening => {
                    listening = self.pass(signal).await;
                    continue;
                }
            };
            match message {
                None => break,
                Some(ChannelMsg::Data { data }) => {
                    // Nobody listens any more: drain all the same, or the whole connection stands still.
                    self.sink.write_all(&data).await.ok();
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => partial.push(&data, |line| {
                    self.lines.try_send(line).ok();
                }),
                Some(ChannelMsg::Eof) => {
                    self.sink.shutdown().await.ok();
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => exit = Some(Exit::Status(exit_status)),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => exit = Some(Exit::Signal(name(&signal_name))),
                Some(ChannelMsg::Failure) => exit = Some(Exit::Lost("the server refuses to run commands".to_owned())),
                Some(_) => {}
            }
        }
        partial.flush(|line| {
            self.lines.try_send(line).ok();
        });
        exit.unwrap_or_else(|| {
            let why = self.reports.ended().unwrap_or_else(|| "the server closed the channel".to_owned());
            Exit::Lost(why)
        })
    }

    /// Passes a signal on; without anybody left to send one, the channel is closed.
    async fn pass(&mut self, signal: Option<Signal>) -> bool {
        let passed = match signal {
            Some(Signal::Term) => self.write.signal(Sig::TERM).await,
            Some(Signal::Kill) => self.write.signal(Sig::KILL).await,
            None => self.write.close().await,
        };
        signal.is_some() && passed.is_ok()
    }
}

fn name(signal: &Sig) -> String {
    if let Sig::Custom(name) = signal { printable(name) } else { format!("{signal:?}") }
}
