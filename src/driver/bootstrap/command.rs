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
    /// How it ended.
    pub(super) exit: Exit,
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
        match self.noise.as_slice() {
            [] => self.exit.to_string(),
            noise => format!("{} ({})", noise.join(" / "), self.exit),
        }
    }

    /// The failure of a command that did not do its work, if it is the connection's.
    pub(super) fn lost(&self) -> Option<Failure> {
        match &self.exit {
            Exit::Lost(why) => Some(Failure::ConnectionLost { why: why.clone() }),
            Exit::Status(_) | Exit::Signal(_) => None,
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
    let (mut answers, mut noise, mut partial) = (Vec::new(), Vec::new(), Lines::default());
    let mut sort = |line: String| {
        if let Some(answer) = line.strip_prefix(PREFIX) {
            if answers.len() < ANSWERS_MAX {
                answers.push(answer.to_owned());
            }
        } else if !line.trim().is_empty() {
            if noise.len() == NOISE_MAX {
                noise.remove(0);
            }
            noise.push(line);
        }
    };
    let mut buffer = vec![0; 16 << 10];
    let mut errors = Vec::new();
    let mut listening = true;
    loop {
        tokio::select! {
            read = channel.output.read(&mut buffer) => match read {
                Ok(length @ 1..) => partial.push(&buffer[..length], &mut sort),
                Ok(_) | Err(_) => break,
            },
            line = channel.lines.recv(), if listening => match line {
                Some(line) if errors.len() < NOISE_MAX => errors.push(line),
                Some(_) => {}
                None => listening = false,
            },
        }
    }
    partial.flush(&mut sort);
    let exit = (&mut channel.exit).await.unwrap_or_else(|_| Exit::Lost("the channel was dropped".to_owned()));
    while let Ok(line) = channel.lines.try_recv() {
        errors.push(line);
    }
    noise.extend(errors);
    Said { answers, noise, exit }
}
