//! Whether a certificate is what it says: its kind, its time, its signature, its options.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use russh::keys::Certificate;
use russh::keys::ssh_key::certificate::CertType;

use crate::driver::channel::printable;

/// Names shown of a list.
const NAMES_MAX: usize = 5;

/// What is wrong with a certificate that a host presents, whoever signed it; `None`: nothing.
pub(super) fn fault_of_host(certificate: &Certificate) -> Option<String> {
    if certificate.cert_type() != CertType::Host {
        return Some("it is one for users".to_owned());
    }
    if let Some(option) = certificate.critical_options().iter().next() {
        return Some(format!("it has the critical option `{}`, which is not known here", printable(option.0)));
    }
    if certificate.verify_signature().is_err() {
        return Some("its signature is wrong".to_owned());
    }
    fault_of_time(certificate, now())
}

/// What is wrong with a certificate that a user presents; `None`: nothing that can be seen here.
pub(super) fn fault_of_user(certificate: &Certificate) -> Option<String> {
    if certificate.cert_type() != CertType::User {
        return Some("it is one for hosts".to_owned());
    }
    fault_of_time(certificate, now())
}

/// Names in a message, few.
pub(super) fn list(names: &[String]) -> String {
    let more = if names.len() > NAMES_MAX { ", …" } else { "" };
    names.iter().take(NAMES_MAX).map(|name| printable(name)).collect::<Vec<_>>().join(", ") + more
}

fn fault_of_time(certificate: &Certificate, now: u64) -> Option<String> {
    if now < certificate.valid_after() {
        return Some(format!("it is valid from {} on", shown(certificate.valid_after())));
    }
    (now >= certificate.valid_before()).then(|| format!("it expired at {}", shown(certificate.valid_before())))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn shown(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("second {seconds}"), |time| time.to_string())
}
