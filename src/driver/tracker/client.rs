//! One announce.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};

use crate::announce::{AnnounceRequest, AnnounceResponse, RESPONSE_LENGTH_MAX, ResponseError, TrackerUrl};

/// Why an announce brought no peers. The text names the tracker.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// No answer in time.
    #[error("tracker {tracker} did not answer within {deadline:?}")]
    Deadline {
        /// Where it should be.
        tracker: SocketAddr,
        /// How long was waited.
        deadline: Duration,
    },
    /// No connection.
    #[error("cannot connect to tracker {tracker}: {source}")]
    Connect {
        /// Where it should be.
        tracker: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// A connection, but no HTTP, or too much of it.
    #[error("tracker {tracker} does not speak HTTP as expected: {why}")]
    Http {
        /// Where it is.
        tracker: SocketAddr,
        /// What was wrong.
        why: String,
    },
    /// HTTP, but no answer to an announce.
    #[error("tracker {tracker} answered with HTTP status {status}")]
    Status {
        /// Where it is.
        tracker: SocketAddr,
        /// The status.
        status: u16,
    },
    /// An answer that cannot be used, a refusal included.
    #[error("announce to {tracker}: {source}")]
    Response {
        /// Where it is.
        tracker: SocketAddr,
        /// What is wrong with it.
        source: ResponseError,
    },
}

/// Announces once, from the address `bind` if there is one, and waits at most `deadline` in all.
///
/// Proxies, redirects and names are not followed.
pub async fn announce(
    url: &TrackerUrl,
    request: &AnnounceRequest,
    bind: Option<IpAddr>,
    deadline: Duration,
) -> Result<AnnounceResponse, AnnounceError> {
    let tracker = url.address();
    let exchange = async {
        let stream = connect(tracker, bind).await.map_err(|source| AnnounceError::Connect { tracker, source })?;
        let (status, body) = get(stream, url, &request.to_query()).await?;
        let answer = AnnounceResponse::parse(&body);
        match answer {
            Err(ResponseError::Refused(_)) => {}
            Ok(_) | Err(ResponseError::Long(_) | ResponseError::Bencode(_) | ResponseError::Key(_)) => {
                if status != StatusCode::OK {
                    return Err(AnnounceError::Status { tracker, status: status.as_u16() });
                }
            }
        }
        answer.map_err(|source| AnnounceError::Response { tracker, source })
    };
    let late = |_elapsed| AnnounceError::Deadline { tracker, deadline };
    tokio::time::timeout(deadline, exchange).await.map_err(late)?
}

async fn connect(tracker: SocketAddr, bind: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if tracker.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(ip) = bind.filter(|ip| ip.is_ipv4() == tracker.is_ipv4() && !ip.is_unspecified()) {
        socket.bind(SocketAddr::new(ip, 0))?;
    }
    socket.connect(tracker).await
}

async fn get(stream: TcpStream, url: &TrackerUrl, query: &str) -> Result<(StatusCode, Bytes), AnnounceError> {
    let tracker = url.address();
    let failed = |why: String| AnnounceError::Http { tracker, why };
    let request = Request::get(url.target(query))
        .header(header::HOST, tracker.to_string())
        .header(header::USER_AGENT, concat!("rookery/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(error.to_string()))?;
    let mut client = hyper::client::conn::http1::Builder::new();
    client.max_headers(HEADERS_MAX).max_buf_size(BUFFER_MAX);
    let handshake = client.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), RESPONSE_LENGTH_MAX).collect().await;
        Ok((status, body.map_err(|error| failed(error.to_string()))?.to_bytes()))
    };
    // The connection may end before the last of the body is taken up: its end alone decides nothing.
    let carry = async {
        if let Err(error) = connection.await {
            tracing::debug!(%tracker, %error, "tracker connection");
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = exchange => answer,
        () = carry => unreachable!("carrying never ends"),
    }
}

/// Header fields of an answer at most.
const HEADERS_MAX: usize = 64;
/// Bytes of an answer's head, or of its body read at once, at most.
const BUFFER_MAX: usize = 64 << 10;
