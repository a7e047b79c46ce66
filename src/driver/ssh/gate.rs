//! What russh asks us while a connection lives: is this the host's key, and what the server says on the side.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{DisconnectReason, Handler, Session};
use russh::keys::{Certificate, PublicKey, PublicKeyBase64, PublicKeyOrCertificate};
use russh::{ChannelId, ChannelOpenFailure};

use super::Hop;
use super::certificate;
use super::scan::{Seen, Standing};
use crate::driver::channel::printable;
use crate::driver::known_hosts::{HostKey, HostKeys, Patron, Verdict};
use crate::inventory::HostKeyPolicy;
use crate::rollout::Failure;

/// Lines of a banner that are kept.
const BANNER_LINES_MAX: usize = 20;

/// What became known through the handler.
#[derive(Debug, Default)]
pub(super) struct Report {
    refused: Option<Failure>,
    ended: Option<String>,
    unopened: Option<String>,
    lines: Vec<String>,
}

/// A [`Report`] that session and handler share.
#[derive(Debug, Clone, Default)]
pub(super) struct Reports(Arc<Mutex<Report>>);

impl Reports {
    /// Why the host's key was refused.
    pub(super) fn refused(&self) -> Option<Failure> {
        self.with(|report| report.refused.clone())
    }

    /// Why the connection ended, in the server's words or russh's.
    pub(super) fn ended(&self) -> Option<String> {
        self.with(|report| report.ended.clone())
    }

    /// The server's words on a channel that it did not open, once.
    pub(super) fn take_unopened(&self) -> Option<String> {
        self.with(|report| report.unopened.take())
    }

    /// Lines for the transcript since the last call.
    pub(super) fn take_lines(&self) -> Vec<String> {
        self.with(|report| std::mem::take(&mut report.lines))
    }

    /// Adds a line for the transcript.
    pub(super) fn note(&self, line: String) {
        self.with(|report| report.lines.push(line));
    }

    fn with<T>(&self, change: impl FnOnce(&mut Report) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The handler of one connection.
pub(super) struct Gate {
    hop: Hop,
    keys: HostKeys,
    reports: Reports,
}

impl Gate {
    pub(super) const fn new(hop: Hop, keys: HostKeys, reports: Reports) -> Self {
        Self { hop, keys, reports }
    }

    fn judge(&self, key: &HostKey) -> Result<(), Failure> {
        let (algorithm, fingerprint) = (key.algorithm().to_owned(), key.fingerprint());
        match self.keys.check(key) {
            Verdict::Known => Ok(()),
            Verdict::Revoked { revoked_at } => Err(Failure::HostKeyRevoked { fingerprint, revoked_at }),
            Verdict::Changed { known_at } => Err(Failure::HostKeyChanged { algorithm, fingerprint, known_at }),
            Verdict::Unknown => match self.hop.policy {
                HostKeyPolicy::Yes => Err(Failure::HostKeyUnknown { algorithm, fingerprint }),
                HostKeyPolicy::AcceptNew => self.accept(key),
            },
        }
    }

    /// What is known of a key, without a consequence.
    fn look(&self, presented: &PublicKeyOrCertificate) -> Option<Seen> {
        let key = blob(&presented.public_key())?;
        if let Some(certificate) = presented.certificate() {
            let signer = blob(&PublicKey::from(certificate.signature_key().clone()))?;
            if let Some(at) = self.keys.revoked(&signer) {
                return Some(Seen { key, standing: Standing::Revoked(at.to_owned()) });
            }
            let vouches = |at: &str| self.keys.revoked(&key).is_none().then(|| at.to_owned());
            if let Patron::Vouches(at) = self.keys.patron(&signer, certificate.valid_principals())
                && certificate::fault_of_host(certificate).is_none()
                && let Some(at) = vouches(at)
            {
                return Some(Seen { key, standing: Standing::Certified(at) });
            }
        }
        let standing = match self.keys.check(&key) {
            Verdict::Known => Standing::Known,
            Verdict::Unknown => Standing::New,
            Verdict::Changed { known_at } => Standing::Changed(known_at),
            Verdict::Revoked { revoked_at } => Standing::Revoked(revoked_at),
        };
        Some(Seen { key, standing })
    }

    /// Judges a certificate; one that does not hold is as good as the key in it, if that one is known.
    fn judge_certificate(&self, presented: &Certificate, key: &HostKey) -> Result<(), Failure> {
        let Some(signer) = blob(&PublicKey::from(presented.signature_key().clone())) else { return Err(unreadable()) };
        for (key, whose) in [(&signer, "its authority's key"), (key, "its key")] {
            if let Some(at) = self.keys.revoked(key) {
                let revoked_at = format!("{at} ({whose})");
                return Err(Failure::HostKeyRevoked { fingerprint: key.fingerprint(), revoked_at });
            }
        }
        let principals = presented.valid_principals();
        let (authority, wrong) = match self.keys.patron(&signer, principals) {
            Patron::Stranger => {
                self.reports.note(format!("nobody here trusts {}, which signed its certificate", signer.fingerprint()));
                return self.judge(key);
            }
            Patron::ForOthers(at) => (at, Some(format!("it is for {}", certificate::list(principals)))),
            Patron::Vouches(at) => (at, certificate::fault_of_host(presented)),
        };
        let Some(why) = wrong else {
            self.reports.note(format!("host certificate `{}`, trusted by {authority}", printable(presented.key_id())));
            return Ok(());
        };
        if self.keys.check(key) == Verdict::Known {
            self.reports.note(format!("host certificate refused ({why}); its key is known"));
            return Ok(());
        }
        Err(Failure::HostCertificate { authority: authority.to_owned(), why })
    }

    fn accept(&self, key: &HostKey) -> Result<(), Failure> {
        self.hop
            .known_hosts
            .accept(self.hop.key_name(), self.hop.port, key)
            .map_err(|error| Failure::Ssh { why: error.to_string() })?;
        self.reports.note(format!("new host key {} ({}) accepted", key.fingerprint(), key.algorithm()));
        Ok(())
    }
}

impl Handler for Gate {
    type Error = russh::Error;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        if let Some(place) = &self.hop.look {
            if let Some(seen) = self.look(presented) {
                place.get_or_init(|| seen);
            }
            return Ok(false);
        }
        let judged = match (blob(&presented.public_key()), presented.certificate()) {
            (Some(key), Some(certificate)) => self.judge_certificate(certificate, &key),
            (Some(key), None) => self.judge(&key),
            (None, _) => Err(unreadable()),
        };
        let known = judged.is_ok();
        self.reports.with(|report| report.refused = judged.err());
        Ok(known)
    }

    async fn auth_banner(&mut self, banner: &str, _session: &mut Session) -> Result<(), Self::Error> {
        for line in banner.lines().map(printable).filter(|line| !line.is_empty()).take(BANNER_LINES_MAX) {
            self.reports.note(line);
        }
        Ok(())
    }

    async fn channel_open_failure(
        &mut self,
        _channel: ChannelId,
        _reason: ChannelOpenFailure,
        description: &str,
        _language: &str,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.reports.with(|report| report.unopened = Some(printable(description)));
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let text = match &reason {
            DisconnectReason::ReceivedDisconnect(info) if info.message.is_empty() => format!("{:?}", info.reason_code),
            DisconnectReason::ReceivedDisconnect(info) => printable(&info.message),
            DisconnectReason::Error(error) => describe(error),
        };
        self.reports.with(|report| {
            report.ended.get_or_insert(text);
        });
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

fn blob(key: &PublicKey) -> Option<HostKey> {
    HostKey::new(key.public_key_bytes())
}

fn unreadable() -> Failure {
    Failure::Ssh { why: "the host presents a key that cannot be read".to_owned() }
}

/// russh's errors in an operator's words.
pub(super) fn describe(error: &russh::Error) -> String {
    if let russh::Error::NoCommonAlgo { kind, theirs, .. } = error {
        return printable(&format!("no common {kind:?} algorithm; the host offers {}", theirs.join(", ")));
    }
    let ended = |error: &io::Error| {
        [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe]
            .contains(&error.kind())
    };
    let hung_up = matches!(error, russh::Error::IO(error) if ended(error));
    if hung_up || matches!(error, russh::Error::Disconnect | russh::Error::HUP) {
        return "the host closed the connection".to_owned();
    }
    if matches!(error, russh::Error::KeepaliveTimeout) {
        return "the host no longer answers keepalives".to_owned();
    }
    printable(&error.to_string())
}
