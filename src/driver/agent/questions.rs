//! `probe`: questions about ports and ways, a line each on stdin, a line each in answer.
//!
//! `listen ADDR FIRST LAST` takes the first free port and lets anybody knock until the end; `reach ADDR:PORT` knocks.
//! Nothing is written to a disk, and nothing is sent to whoever knocks. One question at a time is all there is to do, so
//! that nothing here is asynchronous.

use std::io::{BufRead, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use super::aside;
use super::term::end_after;
use crate::control::PortRange;
use crate::driver::peers::{bind_first_free, own_or_any};

/// All questions together, in bytes.
const QUESTIONS_MAX: u64 = 64 << 10;

/// For an answer to a knock.
const KNOCK_MAX: Duration = Duration::from_secs(5);

/// Who asks must have ended by then: a connection may break without a word.
const LIFE_MAX: Duration = Duration::from_secs(600);

/// After an error that another knock would meet at once as well.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers until there are no more questions.
pub(super) fn answer() -> u8 {
    end_after(LIFE_MAX);
    for question in std::io::stdin().lock().take(QUESTIONS_MAX).lines() {
        let Ok(question) = question else { return 1 };
        let mut words = question.split(' ');
        let answer = match words.next() {
            Some("listen") => listen(&mut words),
            Some("reach") => reach(&mut words),
            Some(_) | None => Err("not understood".to_owned()),
        };
        let (yes, text) = answer.map_or_else(|why| ("no", why), |text| ("yes", text));
        let mut out = std::io::stdout();
        if writeln!(out, "@rookery {yes} {text}").and_then(|()| out.flush()).is_err() {
            return 1;
        }
    }
    0
}

fn listen<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<String, String> {
    let bind: IpAddr = next(words)?;
    let ports = PortRange { first: next(words)?, last: next(words)? };
    let bound = bind_first_free(own_or_any(bind), ports).map_err(|failure| failure.to_string())?;
    let told = |error: std::io::Error| error.to_string();
    let listener = bound.into_std().map_err(told)?;
    listener.set_nonblocking(false).map_err(told)?;
    let port = listener.local_addr().map_err(told)?.port();
    aside(Box::new(move || welcome(&listener)));
    Ok(port.to_string())
}

/// Takes connections, and ends each at once.
fn welcome(listener: &TcpListener) {
    loop {
        if listener.accept().is_err() {
            thread::sleep(PAUSE);
        }
    }
}

fn reach<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<String, String> {
    let address: SocketAddr = next(words)?;
    TcpStream::connect_timeout(&address, KNOCK_MAX).map(|_| address.to_string()).map_err(|error| error.to_string())
}

fn next<'a, T: FromStr>(words: &mut impl Iterator<Item = &'a str>) -> Result<T, String> {
    words.next().and_then(|word| word.parse().ok()).ok_or_else(|| "not understood".to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    #[tokio::test]
    async fn who_listens_can_be_reached_and_who_does_not_cannot() {
        let port = listen(&mut "127.0.0.1 0 0".split(' ')).unwrap();
        assert!(reach(&mut [format!("127.0.0.1:{port}").as_str()].into_iter()).is_ok());
        let taken = listen(&mut ["127.0.0.1", &port, &port].into_iter()).unwrap_err();
        assert!(taken.contains("no free port"), "{taken}");
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let refused = reach(&mut [silent.local_addr().unwrap().to_string().as_str()].into_iter()).unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
    }
}
