//! Whether others can be connected to, and whether there is a port for them to connect to.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::jobs::Report;
use crate::control::AgentFailure;

/// For an answer: a packet may be lost once. Seeder and tracker together take less than a console waits for the last hosts.
const ANSWER_MAX: Duration = Duration::from_millis(1400);

/// Knocks at one after the other; `fault` is why nobody can knock here.
pub(super) fn knock(at: &[SocketAddr], fault: Option<AgentFailure>) -> Report {
    let why = |address| match TcpStream::connect_timeout(address, ANSWER_MAX) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    Report::Knocked(at.iter().map(why).collect(), fault)
}
