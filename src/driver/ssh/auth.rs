//! Proving who we are, with few tries: servers count them, and punish.

use russh::MethodKind;
use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg};
use tokio::net::UnixStream;

use super::Hop;
use super::gate::{Gate, Reports, describe};
use super::identity::Identity;
use super::keys::Credentials;
use super::signer::{Pen, agent_of};
use crate::rollout::Failure;

/// Keys offered on one connection; OpenSSH's `MaxAuthTries` is 6.
const TRIES_MAX: usize = 5;

/// Tries the keys for `hop`, and returns the name of the one that was taken.
pub(super) async fn authenticate(
    handle: &mut Handle<Gate>,
    hop: &Hop,
    credentials: &Credentials,
    reports: &Reports,
) -> Result<String, Failure> {
    let identities = credentials.for_host(&hop.identities, &hop.certificates).await;
    let mut tried = Vec::new();
    let mut rsa_hash = None;
    for identity in identities.iter().take(TRIES_MAX) {
        if identity.is_rsa() && rsa_hash.is_none() {
            rsa_hash = Some(handle.best_supported_rsa_hash().await.map_err(|error| broken(reports, &error))?);
        }
        let hash = identity.is_rsa().then(|| rsa_hash.flatten().flatten().or(Some(HashAlg::Sha512))).flatten();
        match offer(handle, hop, identity, hash, credentials).await {
            Ok(AuthResult::Success) => return Ok(identity.label()),
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                tried.push(identity.label());
                if remaining_methods.is_empty() && (handle.is_closed() || reports.ended().is_some()) {
                    return Err(hung_up(hop, reports, &tried));
                }
                if !remaining_methods.contains(&MethodKind::PublicKey) {
                    let methods = remaining_methods.iter().map(|kind| -> &str { kind.into() }).collect::<Vec<_>>();
                    let what = if partial_success { "the server also wants" } else { "the server takes only" };
                    return Err(denied(hop, &tried, &format!("{what} {}", methods.join(", "))));
                }
            }
            Err(Refusal::Ssh(error)) => return Err(broken(reports, &error)),
            Err(Refusal::Signer(why)) => tried.push(format!("{} ({why})", identity.label())),
        }
    }
    let more = match identities.len().saturating_sub(TRIES_MAX) {
        0 if tried.is_empty() => no_key(credentials),
        0 => "the server takes another public key".to_owned(),
        left => format!("{left} more keys not tried, name the right one in `identity`"),
    };
    Err(denied(hop, &tried, &more))
}

/// Why an offer came to nothing.
enum Refusal {
    Ssh(russh::Error),
    Signer(String),
}

async fn offer(
    handle: &mut Handle<Gate>,
    hop: &Hop,
    identity: &Identity,
    hash: Option<HashAlg>,
    credentials: &Credentials,
) -> Result<AuthResult, Refusal> {
    let user = hop.user.as_str();
    let signed = match identity {
        Identity::File(_, key) => {
            let key = PrivateKeyWithHashAlg::new(key.clone(), hash);
            return handle.authenticate_publickey(user, key).await.map_err(Refusal::Ssh);
        }
        Identity::Certified(held, signer) => {
            let pen = match signer.as_ref() {
                Identity::File(_, key) => Pen::File(key.clone()),
                Identity::Agent(key) => Pen::Agent(bound(handle, credentials).await?, key.clone()),
                Identity::Certified(..) => return Err(Refusal::Signer("a certificate does not sign".to_owned())),
            };
            handle.authenticate_certificate_with(user, held.certificate.clone(), hash, &mut agent_of(pen)).await
        }
        Identity::Agent(held) => {
            let mut signer = bound(handle, credentials).await?;
            match held.as_ref() {
                AgentIdentity::PublicKey { key, .. } => {
                    handle.authenticate_publickey_with(user, key.clone(), hash, &mut signer).await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    handle.authenticate_certificate_with(user, certificate.clone(), hash, &mut signer).await
                }
            }
        }
    };
    signed.map_err(|error| Refusal::Signer(error.to_string()))
}

/// The ssh-agent, told which host it will sign for: keys may be constrained to hosts.
async fn bound(handle: &Handle<Gate>, credentials: &Credentials) -> Result<AgentClient<UnixStream>, Refusal> {
    let mut signer = credentials.signer().await.map_err(|error| Refusal::Signer(error.to_string()))?;
    if let Some(binding) = handle.agent_session_binding() {
        // Agents older than OpenSSH 8.9 do not know it; keys that need it then refuse to sign.
        signer.bind_session(binding, false).await.ok();
    }
    Ok(signer)
}

fn no_key(credentials: &Credentials) -> String {
    match credentials.problems() {
        [] => "there is no key to try: start ssh-agent, or name a file in `identity`".to_owned(),
        problems => format!("no usable key ({})", problems.join("; ")),
    }
}

fn denied(hop: &Hop, tried: &[String], more: &str) -> Failure {
    let tried = if tried.is_empty() { more.to_owned() } else { format!("tried {}; {more}", tried.join(", ")) };
    Failure::Authentication { user: hop.user.clone(), tried }
}

/// The server ended the connection instead of an answer: too many tries is a refusal, anything else is not.
fn hung_up(hop: &Hop, reports: &Reports, tried: &[String]) -> Failure {
    let why = reports.ended().unwrap_or_else(|| "the host closed the connection".to_owned());
    if why.to_ascii_lowercase().contains("too many authentication failures") {
        return denied(hop, tried, &why);
    }
    Failure::Ssh { why: format!("connection ended while authenticating: {why}") }
}

fn broken(reports: &Reports, error: &russh::Error) -> Failure {
    Failure::Ssh { why: reports.ended().unwrap_or_else(|| describe(error)) }
}
