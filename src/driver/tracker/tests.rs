//! Both ends, on loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::server::Limits;
use super::*;
use crate::announce::{AnnounceEvent, AnnounceRequest, AnnounceResponse, ResponseError, ScrapeResponse, TrackerUrl};
use crate::base::{ByteCount, InfoHash, PeerId};
use crate::tracker::TrackerConfig;

const SWARM: InfoHash = InfoHash::new([7; 20]);
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Long enough for a busy machine; nothing waits that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

async fn start(config: TrackerConfig) -> TrackerHandle {
    TrackerServer::bind((LOCALHOST, 0).into()).await.unwrap().start(config, 1)
}

fn request(peer: u8) -> AnnounceRequest {
    AnnounceRequest {
        left: ByteCount(9),
        ..AnnounceRequest::new(SWARM, PeerId::new([peer; 20]), 6880 + u16::from(peer))
    }
}

async fn ask(tracker: SocketAddr, request: &AnnounceRequest, bind: IpAddr) -> Result<AnnounceResponse, AnnounceError> {
    announce(&TrackerUrl::announce_at(tracker), request, Some(bind), PATIENCE).await
}

/// Sends bytes as they are and reads until the other side closes.
async fn raw(tracker: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(tracker).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    answer
}

/// A server that says the same to everybody, and the address it listens on.
async fn parrot(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _read = stream.read(&mut head).await;
        let _written = stream.write_all(&answer).await;
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
    });
    address
}

#[tokio::test]
async fn peers_find_each_other_over_http() {
    let tracker = start(TrackerConfig::open()).await;
    let (one, two) = ("127.0.0.2".parse().unwrap(), "127.0.0.3".parse().unwrap());
    assert_eq!(ask(tracker.address(), &request(1), one).await.unwrap().peers, []);
    let response = ask(tracker.address(), &request(2), two).await.unwrap();
    assert_eq!(response.peers[0].address, "127.0.0.2:6881".parse().unwrap());
    assert_eq!(response.interval, Duration::from_secs(5));
    let leaving = AnnounceRequest { event: Some(AnnounceEvent::Stopped), ..request(1) };
    ask(tracker.address(), &leaving, one).await.unwrap();
    let answer = raw(tracker.address(), b"GET /scrape HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(ScrapeResponse::parse(&answer[body..]).unwrap().swarms[&SWARM].incomplete, 1);
}

#[tokio::test]
async fn strangers_are_refused_with_a_reason_until_allowed() {
    let tracker = start(TrackerConfig::of_run(SWARM, ["127.0.0.2".parse().unwrap()])).await;
    let refused = ask(tracker.address(), &request(1), LOCALHOST).await.unwrap_err();
    assert!(matches!(&refused, AnnounceError::Response { source: ResponseError::Refused(_), .. }), "{refused}");
    assert!(refused.to_string().ends_with("the tracker refused: 127.0.0.1 is not part of this run"), "{refused}");
    assert!(raw(tracker.address(), b"GET /scrape HTTP/1.0\r\n\r\n").await.starts_with(b"HTTP/1.0 403"));
    tracker.allow(vec![LOCALHOST]);
    ask(tracker.address(), &request(1), LOCALHOST).await.unwrap();
    let other = AnnounceRequest { info_hash: InfoHash::new([8; 20]), ..request(1) };
    let refused = ask(tracker.address(), &other, LOCALHOST).await.unwrap_err().to_string();
    assert!(refused.contains("does not serve 0808"), "{refused}");
}

#[tokio::test]
async fn whatever_is_no_announce_is_told_so_and_hurts_nobody() {
    let tracker = start(TrackerConfig::open()).await;
    for (bytes, expected) in [
        (&b"GET /announce?port=1 HTTP/1.1\r\nhost: x\r\n\r\n"[..], "22:`info_hash` is missing"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "404 Not Found"),
        (b"POST /announce HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\nx", "405 Method"),
        (b"\x16\x03\x01\x02\x00nonsense\r\n\r\n", "400 Bad Request"),
    ] {
        let answer = String::from_utf8_lossy(&raw(tracker.address(), bytes).await).into_owned();
        assert!(answer.contains(expected), "{answer}");
    }
    ask(tracker.address(), &request(1), LOCALHOST).await.unwrap();
}

#[tokio::test]
async fn those_who_say_nothing_do_not_keep_others_out() {
    let server = TrackerServer::bind((LOCALHOST, 0).into()).await.unwrap();
    let limits = Limits { connection: Duration::from_millis(300), connections_max: 2, strangers_max: 1 };
    let tracker = server.start_within(TrackerConfig::open(), 1, limits);
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(tracker.address()).await.unwrap());
    }
    let url = TrackerUrl::announce_at(tracker.address());
    let mut answered = false;
    for _ in 0..100 {
        answered = announce(&url, &request(1), None, PATIENCE).await.is_ok();
        if answered {
            break;
        }
    }
    assert!(answered);
    assert_eq!(silent[0].read(&mut [0; 64]).await.unwrap_or(0), 0, "the silent connection is closed");
}

#[tokio::test]
async fn a_stopped_tracker_frees_its_port() {
    let tracker = start(TrackerConfig::open()).await;
    let address = tracker.address();
    tracker.stop().await;
    TrackerServer::bind(address).await.unwrap();
    let error = ask(address, &request(1), LOCALHOST).await.unwrap_err();
    assert!(matches!(error, AnnounceError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_silent_tracker_is_given_up_at_the_deadline() {
    let url = TrackerUrl::announce_at(parrot(Vec::new()).await);
    let error = announce(&url, &request(1), None, Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, AnnounceError::Deadline { .. }), "{error}");
}

#[tokio::test]
async fn answers_that_are_none_are_named() {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    for (answer, expected) in [
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), "does not speak HTTP"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n<html>".to_owned(), "HTTP status 502"),
        ("HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\n\r\n".to_owned(), "HTTP status 302"),
        (format!("{head}<html>"), "not bencode"),
        (format!("{head}{}", "x".repeat(300_000)), "does not speak HTTP as expected: length limit exceeded"),
    ] {
        let error = ask(parrot(answer.into_bytes()).await, &request(1), LOCALHOST).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let good = parrot(format!("{head}d8:intervali5e5:peers0:e").into_bytes()).await;
    assert_eq!(ask(good, &request(1), LOCALHOST).await.unwrap().interval, Duration::from_secs(5));
}
