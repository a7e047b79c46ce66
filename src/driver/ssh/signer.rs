//! Who signs for a certificate: the key it was made for, in the ssh-agent or in a file.
//!
//! russh has a certificate signed by an ssh-agent that knows the certificate. Most know only its key, and a file knows no
//! agent: [`agent_of`] is an agent for one login that answers with what the key signs (draft-miller-ssh-agent, 3.6).

use std::io;
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{Error as KeyError, HashAlg, PrivateKey, signature};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::UnixStream;

/// Largest request and answer, in bytes: a certificate and what is signed hold it many times.
const MESSAGE_MAX: usize = 64 << 10;

/// Number of a request to sign, of its answer, and of a refusal.
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const FAILURE: u8 = 5;

/// The key that signs.
pub(super) enum Pen {
    /// The agent has it, and knows nothing of the certificate.
    Agent(AgentClient<UnixStream>, Box<AgentIdentity>),
    /// It is here.
    File(Arc<PrivateKey>),
}

/// An agent that signs with `pen`, whatever it is asked to sign with; it ends with its client.
pub(super) fn agent_of(pen: Pen) -> AgentClient<DuplexStream> {
    let (client, agent) = duplex(MESSAGE_MAX);
    tokio::spawn(answer(pen, agent));
    AgentClient::connect(client)
}

async fn answer(mut pen: Pen, mut client: DuplexStream) -> io::Result<()> {
    loop {
        let length = client.read_u32().await? as usize;
        if length > MESSAGE_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut request = vec![0; length];
        client.read_exact(&mut request).await?;
        let signed = match wanted(&request) {
            Some((data, hash)) => pen.sign(data, hash).await.ok(),
            None => None,
        };
        let mut reply = vec![signed.as_ref().map_or(FAILURE, |_| SIGN_RESPONSE)];
        reply.extend(signed.unwrap_or_default());
        client.write_u32(reply.len() as u32).await?;
        client.write_all(&reply).await?;
    }
}

/// What is to be signed, and the hash that RSA takes.
fn wanted(request: &[u8]) -> Option<(&[u8], Option<HashAlg>)> {
    let rest = request.strip_prefix(&[SIGN_REQUEST])?;
    let (_, rest) = string(rest)?;
    let (data, flags) = string(rest)?;
    let hash = match u32::from_be_bytes(flags.try_into().ok()?) {
        2 => Some(HashAlg::Sha256),
        4 => Some(HashAlg::Sha512),
        _ => None,
    };
    Some((data, hash))
}

/// A string of SSH (RFC 4251, 5) at the front of `bytes`, and what comes after it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

impl Pen {
    /// The signature, as a string of SSH.
    async fn sign(&mut self, data: &[u8], hash: Option<HashAlg>) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Agent(agent, held) => {
                let mut signed = agent.sign_request(held, hash, data.to_vec()).await?;
                // It comes behind the data.
                Ok(signed.split_off(data.len()))
            }
            Self::File(key) => {
                let (mut blob, mut string) = (Vec::new(), Vec::new());
                let signature = sign_with(key, hash, data).ok().ok_or(KeyError::CouldNotReadKey)?;
                signature.encode(&mut blob).ok().ok_or(KeyError::CouldNotReadKey)?;
                blob.encode(&mut string).ok().ok_or(KeyError::CouldNotReadKey)?;
                Ok(string)
            }
        }
    }
}

fn sign_with(
    key: &PrivateKey,
    hash: Option<HashAlg>,
    data: &[u8],
) -> Result<russh::keys::ssh_key::Signature, signature::Error> {
    use signature::Signer as _;
    if let KeypairData::Rsa(pair) = key.key_data() {
        return (pair, hash).try_sign(data);
    }
    key.try_sign(data)
}
