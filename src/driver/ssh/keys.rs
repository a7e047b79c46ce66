//! The operator's keys: from the ssh-agent, from files, unlocked once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use russh::keys::agent::client::AgentClient;
use russh::keys::{Certificate, Error as KeyError, PrivateKey, PublicKey, decode_secret_key};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::certificate::fault_of_user;
use super::identity::{Identity, UserCertificate};

/// For the ssh-agent to answer.
pub(super) const AGENT_TIMEOUT: Duration = Duration::from_secs(20);

/// Times a passphrase is asked for.
const PASSPHRASE_TRIES: u32 = 3;

/// Largest key file that is read, in bytes.
const FILE_LENGTH_MAX: u64 = 64 << 10;

/// Files that are tried when the inventory names none, in `~/.ssh`.
const USUAL_NAMES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// A passphrase that is not shown by `Debug`.
pub struct Passphrase(pub String);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Asks for the passphrase of a key file, for the given time (from 1); `None` gives the key up.
pub type PassphrasePrompt<'a> = dyn FnMut(&Path, u32) -> Option<Passphrase> + Send + 'a;

/// Every key that may be tried, ready for use.
#[derive(Debug, Default)]
pub struct Credentials {
    agent: RwLock<Vec<Identity>>,
    /// A host refused: the operator may load another key into the agent before the next try.
    stale: AtomicBool,
    files: BTreeMap<PathBuf, Identity>,
    certificates: BTreeMap<PathBuf, Arc<UserCertificate>>,
    usual: Vec<PathBuf>,
    socket: Option<PathBuf>,
    problems: Vec<String>,
}

impl Credentials {
    /// Asks the ssh-agent (`socket`, of `SSH_AUTH_SOCK`) for its keys, and reads the key files `identities` and those
    /// with the usual names in `home`, each with the certificate beside it (`…-cert.pub`), and the `certificates` for keys
    /// of either. A passphrase is asked for once per key, and only for keys that the agent has not.
    pub async fn load(
        socket: Option<PathBuf>,
        identities: &[PathBuf],
        certificates: &[PathBuf],
        home: Option<&Path>,
        prompt: &mut PassphrasePrompt<'_>,
    ) -> Self {
        let socket = socket.filter(|socket| !socket.as_os_str().is_empty());
        let mut all = Self { socket, ..Self::default() };
        if let Err(problem) = all.ask_agent().await {
            all.problems.push(problem);
        }
        for path in identities {
            all.read(path, prompt);
        }
        let usual = home.into_iter().flat_map(|home| USUAL_NAMES.map(|name| home.join(".ssh").join(name)));
        for path in usual.filter(|path| path.exists()) {
            // A key nobody named is not worth a question when there are others.
            let mut silent = |_: &Path, _: u32| None;
            let others = !all.is_empty();
            all.read(&path, if others { &mut silent } else { &mut *prompt });
            all.usual.push(path);
        }
        for path in certificates {
            all.read_certificate(path);
        }
        all
    }

    /// Keys that cannot be used, each with its reason.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// How many keys the ssh-agent held when it was asked last.
    pub fn agent_keys(&self) -> usize {
        self.held().len()
    }

    /// Whether there is any key at all.
    pub fn is_empty(&self) -> bool {
        self.held().is_empty() && self.files.is_empty()
    }

    /// The agent's keys, as last seen.
    fn held(&self) -> Vec<Identity> {
        self.agent.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the agent asked again before the next host is tried.
    pub(super) fn doubt(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    async fn ask_agent(&self) -> Result<(), String> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let shown = socket.display();
        let asked = timeout(AGENT_TIMEOUT, async { connect_agent(socket).await?.request_identities().await }).await;
        let identities = match asked {
            Ok(Ok(identities)) => identities,
            Ok(Err(error)) => return Err(format!("ssh-agent at {shown}: {error}")),
            Err(_) => return Err(format!("ssh-agent at {shown} does not answer")),
        };
        let identities = identities.into_iter().map(|identity| Identity::Agent(Box::new(identity))).collect();
        *self.agent.write().unwrap_or_else(PoisonError::into_inner) = identities;
        Ok(())
    }

    fn read(&mut self, path: &Path, prompt: &mut PassphrasePrompt<'_>) {
        if self.files.contains_key(path) {
            return;
        }
        match self.open(path, prompt) {
            Ok(identity) => {
                self.files.insert(path.to_owned(), identity);
                let beside = beside(path);
                if beside.exists() {
                    self.read_certificate(&beside);
                }
            }
            Err(why) => self.problems.push(format!("{}: {why}", path.display())),
        }
    }

    fn read_certificate(&mut self, path: &Path) {
        if self.certificates.contains_key(path) {
            return;
        }
        let read = read_key_file(path).and_then(|text| {
            let certificate = Certificate::from_openssh(text.trim()).map_err(|error| error.to_string())?;
            // One that is not valid yet, or no more, is not kept either: a run does not take that long.
            let fault = fault_of_user(&certificate).map(|fault| format!("is not used: {fault}"));
            fault.map_or(Ok(certificate), Err)
        });
        match read {
            Ok(certificate) => {
                let held = UserCertificate { path: path.to_owned(), certificate };
                self.certificates.insert(path.to_owned(), Arc::new(held));
            }
            Err(why) => self.problems.push(format!("{}: {why}", path.display())),
        }
    }

    fn open(&self, path: &Path, prompt: &mut PassphrasePrompt<'_>) -> Result<Identity, String> {
        let text = read_key_file(path)?;
        let public = public_half(path, &text);
        let signs = |held: &Identity, key: &PublicKey| held.certificate().is_none() && held.has_key(key);
        if let Some(held) = public.and_then(|key| self.held().into_iter().find(|held| signs(held, &key))) {
            return Ok(held);
        }
        if PublicKey::from_openssh(text.trim()).is_ok() {
            return Err("is a public key, and the ssh-agent does not have it".to_owned());
        }
        let mut tries = 0;
        let mut decoded = decode_secret_key(&text, None);
        while tries < PASSPHRASE_TRIES && (tries > 0 || is_locked(&text, &decoded)) && decoded.is_err() {
            tries += 1;
            let Some(Passphrase(word)) = prompt(path, tries) else { return Err("is locked by a passphrase".into()) };
            decoded = decode_secret_key(&text, Some(&word));
        }
        match decoded {
            Ok(key) => Ok(Identity::File(path.to_owned(), Arc::new(key))),
            Err(_) if tries > 0 => Err("the passphrase is wrong".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What to try for a host with these key files and certificates, in order: its files (the agent signs for those it
    /// holds), the agent's other keys, the usual names; in front of each key the certificates for it.
    pub(super) async fn for_host(&self, identities: &[PathBuf], certificates: &[PathBuf]) -> Vec<Identity> {
        if self.stale.swap(false, Ordering::Relaxed) {
            // An agent that is gone leaves what it said last.
            self.ask_agent().await.ok();
        }
        let held = self.held();
        let of_file = |path: &PathBuf| Some((self.files.get(path)?.clone(), Some(beside(path))));
        let named = identities.iter().filter_map(of_file);
        let usual = self.usual.iter().filter_map(of_file);
        let all = named.chain(held.iter().map(|held| (held.clone(), None))).chain(usual);
        let mut ordered: Vec<Identity> = Vec::new();
        for (identity, beside) in all {
            let paths = beside.iter().chain(certificates);
            let of_files = paths.filter_map(|path| self.certificates.get(path));
            let of_files = of_files.filter(|held| identity.has_key(&held.certificate.public_key().clone().into()));
            let of_files = of_files.map(|held| Identity::Certified(held.clone(), Box::new(identity.clone())));
            let of_agent =
                held.iter().filter(|held| held.certificate().is_some() && held.has_key(&identity.public_key()));
            let certified: Vec<Identity> = match identity.certificate() {
                Some(_) => Vec::new(),
                None => of_files.chain(of_agent.cloned()).collect(),
            };
            for offer in certified.into_iter().chain([identity]) {
                if !ordered.iter().any(|earlier| earlier.is_same(&offer)) {
                    ordered.push(offer);
                }
            }
        }
        ordered
    }

    /// A connection to the ssh-agent, to have something signed.
    pub(super) async fn signer(&self) -> Result<AgentClient<UnixStream>, KeyError> {
        match &self.socket {
            Some(socket) => connect_agent(socket).await,
            None => Err(KeyError::BadAuthSock),
        }
    }
}

async fn connect_agent(socket: &Path) -> Result<AgentClient<UnixStream>, KeyError> {
    AgentClient::connect_uds(socket).await
}

fn read_key_file(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > FILE_LENGTH_MAX {
        return Err("is too large for a key".to_owned());
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Where ssh-keygen puts the certificate for a key.
fn beside(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push("-cert.pub");
    PathBuf::from(name)
}

/// The public key of a private key that may be locked: OpenSSH's format shows it, others have a `.pub` beside them. A
/// public key stands for itself.
fn public_half(path: &Path, text: &str) -> Option<PublicKey> {
    if let Ok(key) = PublicKey::from_openssh(text.trim()) {
        return Some(key);
    }
    if let Ok(key) = PrivateKey::from_openssh(text) {
        return Some(key.public_key().clone());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    PublicKey::from_openssh(std::fs::read_to_string(beside).ok()?.trim()).ok()
}

fn is_locked(text: &str, decoded: &Result<PrivateKey, KeyError>) -> bool {
    let says_so = text.contains("ENCRYPTED") || PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted());
    says_so || matches!(decoded, Err(KeyError::KeyIsEncrypted))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn keygen(path: &Path, passphrase: &str) {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", passphrase, "-f"]).arg(path);
        assert!(command.status().unwrap().success());
    }

    fn labels(identities: &[Identity]) -> Vec<String> {
        identities.iter().map(Identity::label).collect()
    }

    #[tokio::test]
    async fn a_passphrase_is_asked_for_once_a_key_and_again_when_it_is_wrong() {
        let home = tempfile::tempdir().unwrap();
        let (locked, open) = (home.path().join("locked"), home.path().join("open"));
        keygen(&locked, "secret");
        keygen(&open, "");
        let mut asked = Vec::new();
        let mut prompt = |path: &Path, time: u32| {
            asked.push((path.to_owned(), time));
            Some(Passphrase(if time == 1 { "wrong" } else { "secret" }.to_owned()))
        };
        let named = [locked.clone(), open.clone(), locked.clone()];
        let all = Credentials::load(None, &named, &[], None, &mut prompt).await;
        assert_eq!(asked, [(locked.clone(), 1), (locked.clone(), 2)]);
        assert!(all.problems().is_empty(), "{:?}", all.problems());
        let order = all.for_host(&[open.clone(), locked.clone()], &[]).await;
        assert_eq!(labels(&order), [open.display().to_string(), locked.display().to_string()]);
    }

    #[tokio::test]
    async fn keys_that_cannot_be_used_are_named() {
        let home = tempfile::tempdir().unwrap();
        let (locked, noise) = (home.path().join("locked"), home.path().join("noise"));
        keygen(&locked, "secret");
        std::fs::write(&noise, "no key at all").unwrap();
        let missing = home.path().join("missing");
        let all = Credentials::load(None, &[locked, noise, missing], &[], None, &mut |_, _| None).await;
        assert!(all.is_empty());
        assert_eq!(all.problems().len(), 3, "{:?}", all.problems());
        assert!(all.problems()[0].contains("is locked by a passphrase"));
    }

    #[tokio::test]
    async fn the_usual_names_come_last_and_are_not_asked_about_when_there_are_others() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        keygen(&home.path().join(".ssh/id_ed25519"), "");
        keygen(&home.path().join(".ssh/id_rsa"), "secret");
        let named = home.path().join("named");
        keygen(&named, "");
        let mut prompt = |_: &Path, _: u32| -> Option<Passphrase> { panic!("nobody asked for that key") };
        let all = Credentials::load(None, std::slice::from_ref(&named), &[], Some(home.path()), &mut prompt).await;
        let order = labels(&all.for_host(std::slice::from_ref(&named), &[]).await);
        assert_eq!(order, [named, home.path().join(".ssh/id_ed25519")].map(|path| path.display().to_string()));
    }

    #[tokio::test]
    async fn the_agent_signs_for_the_keys_it_holds() {
        let home = tempfile::tempdir().unwrap();
        let (socket, locked) = (home.path().join("agent"), home.path().join("locked"));
        keygen(&locked, "");
        let mut agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).spawn().unwrap();
        let mut ready = tokio::time::interval(Duration::from_millis(20));
        while !socket.exists() {
            ready.tick().await;
        }
        let all = Credentials::load(Some(socket.clone()), &[], &[], None, &mut |_, _| None).await;
        assert!(all.is_empty() && all.problems().is_empty(), "{:?}", all.problems());
        let added = Command::new("ssh-add").arg("-q").arg(&locked).env("SSH_AUTH_SOCK", &socket).status().unwrap();
        assert!(added.success());
        assert!(all.for_host(&[], &[]).await.is_empty(), "it is not asked without a reason");
        all.doubt();
        assert!(matches!(all.for_host(&[], &[]).await.as_slice(), [Identity::Agent(_)]));
        let change = Command::new("ssh-keygen").args(["-q", "-p", "-N", "secret", "-f"]).arg(&locked).status().unwrap();
        assert!(change.success());
        let all = Credentials::load(Some(socket), std::slice::from_ref(&locked), &[], None, &mut |_, _| None).await;
        assert!(matches!(all.for_host(&[locked], &[]).await.as_slice(), [Identity::Agent(_)]));
        agent.kill().unwrap();
        agent.wait().unwrap();
    }
}
