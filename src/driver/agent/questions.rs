//! `probe`: questions about ports and ways, a line each on stdin, a line each in answer.
//!
//! `listen ADDR FIRST LAST` takes the first free port and lets anybody knock until the end; `reach ADDR:PORT` knocks.
//! Nothing is written to a disk, and nothing is sent to whoever knocks.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines, Stdin, Take};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

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
pub(super) async fn answer() -> u8 {
    let mut questions = BufReader::new(tokio::io::stdin().take(QUESTIONS_MAX)).lines();
    let until = Instant::now() + LIFE_MAX;
    while let Some(question) = next(&mut questions, until).await {
        let answer = match question.split(' ').collect::<Vec<_>>().as_slice() {
            ["listen", address, first, last] => listen(address, first, last),
            ["reach", address] => reach(address).await,
            _ => Err(format!("not understood: {question}")),
        };
        let said = match answer {
            Ok(answer) => format!("@rookery yes {answer}\n"),
            Err(why) => format!("@rookery no {why}\n"),
        };
        let mut out = std::io::stdout();
        if out.write_all(said.as_bytes()).and_then(|()| out.flush()).is_err() {
            return 1;
        }
    }
    0
}

async fn next(questions: &mut Lines<BufReader<Take<Stdin>>>, until: Instant) -> Option<String> {
    timeout_at(until, questions.next_line()).await.ok()?.ok()?
}

fn listen(address: &str, first: &str, last: &str) -> Result<String, String> {
    let bind: IpAddr = parse(address)?;
    let ports = PortRange { first: parse(first)?, last: parse(last)? };
    let listener = bind_first_free(own_or_any(bind), ports).map_err(|failure| failure.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    tokio::spawn(welcome(listener));
    Ok(port.to_string())
}

/// Takes connections, and ends each at once.
async fn welcome(listener: TcpListener) {
    loop {
        if listener.accept().await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn reach(address: &str) -> Result<String, String> {
    let address: SocketAddr = parse(address)?;
    match timeout(KNOCK_MAX, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(address.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", KNOCK_MAX.as_secs())),
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_unparsed| format!("`{text}` is not understood"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_listens_can_be_reached_and_who_does_not_cannot() {
        let port = listen("127.0.0.1", "0", "0").unwrap();
        assert!(reach(&format!("127.0.0.1:{port}")).await.is_ok());
        let taken = listen("127.0.0.1", &port, &port).unwrap_err();
        assert!(taken.contains("no free port"), "{taken}");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = reach(&free.to_string()).await.unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
    }
}
