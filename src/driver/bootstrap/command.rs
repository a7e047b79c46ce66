//! A command that is given some lines, says some lines, and ends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::script::PREFIX;
use crate::driver::channel::{Channel, Exit, Lines};
use crate::rollout::Failure;

/// Lines kept of what is not an answer: motds and error messages.
const NOISE_MAX: usize = 8;

/// Answers kept.
const ANSWERS_MAX: usize = 64;

/// What a command said and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    /// Answers, without their prefix.
    pub(super) answers: Vec<String>,
    /// The last of everything else.
    noise: Vec<String>,
    /// How it ended, if it has.
    exit: Option<Exit>,
}

impl Said {
    /// The rest of the first answer that begins with `word`.
    pub(super) fn answer(&self, word: &str) -> Option<&str> {
        self.answers.iter().find_map(|answer| field(answer, word))
    }

    /// The rests of all answers that begin with `word`.
    pub(super) fn all(&self, word: &str) -> impl Iterator<Item = &str> {
        self.answers.iter().filter_map(move |answer| field(answer, word))
    }

    /// What it said instead of answers, for messages.
    pub(super) fn noise(&self) -> String {
        let exit = self.exit.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        match self.noise.as_slice() {
            [] => exit,
            noise => format!("{} ({exit})", noise.join(" / ")),
        }
    }

    /// The failure of a command that did not do its work, if it is the connection's.
    pub(super) fn lost(&self) -> Option<Failure> {
        match &self.exit {
            Some(Exit::Lost(why)) => Some(Failure::ConnectionLost { why: why.clone() }),
            Some(Exit::Status(_) | Exit::Signal(_)) | None => None,
        }
    }
}

fn field<'a>(answer: &'a str, word: &str) -> Option<&'a str> {
    let rest = answer.strip_prefix(word)?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix(' ') }
}

/// Sends nothing more, and listens until the command ends.
pub(super) async fn finish(mut channel: Channel) -> Said {
    channel.input.shutdown().await.ok();
    listen(channel).await
}

/// Listens until the command ends.
pub(super) async fn listen(mut channel: Channel) -> Said {
    hear(&mut channel, None).await
}

/// Listens until the command gives an answer that begins with `word` and waits to be told more, or ends.
pub(super) async fn listen_for(channel: &mut Channel, word: &str) -> Said {
    hear(channel, Some(word)).await
}

async fn hear(channel: &mut Channel, last: Option<&str>) -> Said {
    let (mut answers, mut noise, mut partial, mut over) = (Vec::new(), Vec::new(), Lines::default(), false);
    let mut sort = |line: String| {
        if let Some(answer) = line.strip_prefix(PREFIX) {
            over |= last.is_some_and(|word| field(answer, word).is_some());
            if answers.len() < ANSWERS_MAX {
                answers.push(answer.to_owned());
            }
        } else if !line.trim().is_empty() {
            if noise.len() == NOISE_MAX {
                noise.remove(0);
            }
            noise.push(line);
        }
        over
    };
    let mut buffer = vec![0; 16 << 10];
    let mut errors = Vec::new();
    let (mut listening, mut waits) = (true, false);
    while !waits {
        tokio::select! {
            read = channel.output.read(&mut buffer) => match read {
                Ok(length @ 1..) => partial.push(&buffer[..length], |line| waits = sort(line)),
                Ok(_) | Err(_) => break,
            },
            line = channel.lines.recv(), if listening => match line {
                Some(line) if errors.len() < NOISE_MAX => errors.push(line),
                Some(_) => {}
                None => listening = false,
            },
        }
    }
    partial.flush(|line| waits |= sort(line));
    let exit = if waits {
        None
    } else {
        Some((&mut channel.exit).await.unwrap_or_else(|_| Exit::Lost("the channel was dropped".to_owned())))
    };
    while let Ok(line) = channel.lines.try_recv() {
        errors.push(line);
    }
    noise.extend(errors);
    Said { answers, noise, exit }
}
