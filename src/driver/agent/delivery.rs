//! What blocks on the way to a release: packing, looking at what is there, verifying, unpacking, placing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::Mode;

use super::jobs::{Context, Report};
use super::owner::ids;
use crate::base::{Bitfield, ByteCount, InfoHash};
use crate::control::{
    AgentFailure, DataSource, Owner, PackOrder, PayloadFacts, PayloadFormat, Placing, RunId, ServeOrder, ServeRole, Tag,
};
use crate::driver::segment::Access;
use crate::driver::storage::Storage;
use crate::metainfo::{Content, Info, Metainfo};
use crate::payload::{Compress, Format, PackOptions, Promise, give_tree, pack, remove_tree, sha256_file, unpack};
use crate::release::{self, Claim, ReleaseError, ReleaseState, Workspace};

/// What is known before the swarm is joined.
#[derive(Debug)]
pub(super) enum Prepared {
    /// The release is there, and nothing else is wanted of this host.
    Nothing,
    /// The payload can be gathered or served.
    Ready {
        /// Where it lies.
        storage: Arc<Storage>,
        /// The pieces that are there, verified.
        have: Bitfield,
        /// Whether the release was there already.
        already: bool,
    },
}

/// What was made out of a path on this host.
#[derive(Debug)]
pub(super) struct Packed {
    /// What it is.
    pub(super) facts: PayloadFacts,
    /// Its torrent, without a tracker.
    pub(super) torrent: Metainfo,
    /// Where it lies.
    pub(super) path: PathBuf,
}

/// What becomes of a payload that is there.
#[derive(Debug)]
pub(super) struct Parcel {
    /// The release's name.
    pub(super) tag: Tag,
    /// What the payload is.
    pub(super) facts: PayloadFacts,
    /// Whom the release is given to.
    pub(super) owner: Owner,
    /// When it gets its place.
    pub(super) placing: Placing,
}

/// Where things are on this host.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// Held from when the folder of releases is first worked in.
    pub(super) claim: Arc<OnceLock<Claim>>,
    /// The folder releases land in.
    pub(super) destination: PathBuf,
    /// The run.
    pub(super) run: RunId,
    /// What others are told who want to work there.
    pub(super) holder: String,
    /// The mode bits that folders of releases do not get.
    pub(super) umask: Mode,
    /// What [`Order::Pack`](crate::control::Order::Pack) made.
    pub(super) packed: Option<PathBuf>,
}

impl Site {
    /// Opens the folder beside the releases, for this agent alone.
    fn workspace(&self, context: &Context) -> Result<Workspace, AgentFailure> {
        make_destination(&self.destination, self.umask)
            .map_err(|error| AgentFailure::from_io("create", &self.destination, &error))?;
        let workspace = Workspace::open(&self.destination)?;
        if self.claim.get().is_none() {
            let claim = workspace.claim(self.run.as_str(), &self.holder)?;
            if let Some(before) = claim.before() {
                context.report(Report::Note(format!("took over {}: its agent is gone; it was {before}", claim.path())));
            }
            self.claim.get_or_init(|| claim);
        }
        Ok(workspace)
    }
}

/// Makes the folder releases land in, and those above it, with the modes the user's own would have.
fn make_destination(path: &Path, umask: Mode) -> std::io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|folder| folder.symlink_metadata().is_err()).collect();
    for folder in missing.into_iter().rev() {
        match std::fs::create_dir(folder) {
            Ok(()) => std::fs::set_permissions(folder, Permissions::from_mode(0o777 & !umask.as_raw_mode()))?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes a payload out of a path on this host.
pub(super) fn make(context: &Context, site: &Site, order: &PackOrder) -> Result<Report, AgentFailure> {
    let compress = match order.compress.as_str() {
        "auto" => Compress::Auto,
        "none" => Compress::None,
        "zstd" => Compress::Zstd,
        other => return Err(AgentFailure::Protocol { why: format!("no compression `{other}`") }),
    };
    let (exclude, piece_length, mode) = (order.exclude.clone(), order.piece_length, order.mode);
    let options = PackOptions { exclude, compress, piece_length, mode };
    let source = expand_home(&order.source);
    let out = site.workspace(context)?.packed(site.run.as_str())?;
    let progress = |progress: crate::payload::PackProgress| context.mention(Report::Packing(progress.done));
    let packed = pack(&source, &out, &options, &progress, context.cancel())?;
    let name = source.file_name().map_or_else(|| "payload".to_owned(), |name| name.to_string_lossy().into_owned());
    let info = Info::single(&name, packed.layout, &packed.pieces)
        .map_err(|error| AgentFailure::Source { path: order.source.clone(), why: error.to_string() })?;
    let facts = PayloadFacts::from(&packed);
    Ok(Report::Packed(Box::new(Packed { facts, torrent: Metainfo::new(None, info), path: packed.path })))
}

/// Finds out what is there already, and takes the room for the rest.
pub(super) fn prepare(context: &Context, site: &Site, order: &ServeOrder, info: &Info) -> Result<Report, AgentFailure> {
    if *info.content() != Content::Single {
        return Err(AgentFailure::Protocol { why: "the payload of a run is one file".to_owned() });
    }
    let already = order.deliver && is_there(context, site, order)?;
    if already && order.role == ServeRole::Peer {
        return Ok(Report::Prepared(Prepared::Nothing));
    }
    if order.deliver {
        ids(&order.owner)?;
    }
    let workspace = site.workspace(context)?;
    let (path, access) = match &order.role {
        ServeRole::Peer | ServeRole::Seeder(DataSource::Pushed) => (workspace.payload(info.info_hash()), Access::Write),
        ServeRole::Seeder(DataSource::File(path)) => (expand_home(path), Access::Read),
        ServeRole::Seeder(DataSource::Packed) => {
            let path = site.packed.clone().map_or_else(|| workspace.packed(site.run.as_str()), Ok)?;
            (path, Access::Read)
        }
    };
    let unpacked = if order.deliver && !already { order.payload.unpacked_cost() } else { ByteCount(0) };
    check_space(&workspace, &path, access, info, unpacked)?;
    let storage = Arc::new(Storage::open(info.clone(), &path, access)?);
    let have = storage.survey(context.cancel(), &|_| {})?;
    if access == Access::Read && !have.is_full() {
        return Err(AgentFailure::SourceChanged { path: path.display().to_string() });
    }
    Ok(Report::Prepared(Prepared::Ready { storage, have, already }))
}

/// Verifies the whole payload, unpacks it aside, and puts the release in its place if it is to be there at once.
pub(super) fn deliver(
    context: &Context,
    site: &Site,
    Parcel { tag, facts, owner, placing }: &Parcel,
    storage: &Storage,
) -> Result<Report, AgentFailure> {
    storage.sync()?;
    let found = sha256_file(storage.path(), context.cancel(), &|_| {})?;
    if found != facts.sha256 {
        if storage.access() == Access::Write {
            remove_tree(storage.path())?;
        }
        return Err(AgentFailure::DigestMismatch { what: "payload".to_owned(), found, expected: facts.sha256 });
    }
    context.report(Report::Unpacking);
    let staged = site.workspace(context)?.stage(site.run.as_str(), tag.as_str())?;
    let promise = Promise { bytes: facts.unpacked_bytes, entries: facts.unpacked_entries, mode: facts.mode };
    let format = match facts.format {
        PayloadFormat::File => Format::File,
        PayloadFormat::Tar => Format::Tar,
        PayloadFormat::TarZstd => Format::TarZstd,
    };
    let unpacked = unpack(storage.path(), format, &staged, &promise, context.cancel());
    unpacked.map_err(|error| with_space(AgentFailure::from(error), &site.destination, facts))?;
    let given = give(owner, &staged, facts, context);
    if given.is_err() {
        // The first error is the one to tell; what is left is named at the end.
        let _ = remove_tree(&staged);
    }
    given?;
    match placing {
        Placing::AtOnce => place(site, tag, &staged),
        Placing::Held => Ok(Report::Staged(staged)),
    }
}

/// Checks a staged release, and gives it to whom it is for.
fn give(owner: &Owner, staged: &Path, facts: &PayloadFacts, context: &Context) -> Result<(), AgentFailure> {
    let found = release::digest(staged, context.cancel())?;
    if found != facts.content_sha256 {
        let expected = facts.content_sha256;
        return Err(AgentFailure::DigestMismatch { what: "release".to_owned(), found, expected });
    }
    match ids(owner)? {
        (None, None) => Ok(()),
        (user, group) => Ok(give_tree(staged, user, group)?),
    }
}

/// Puts a release that is verified and lies aside in its place.
pub(super) fn place(site: &Site, tag: &Tag, staged: &Path) -> Result<Report, AgentFailure> {
    let placed = release::place(staged, &site.destination, tag.as_str());
    if placed.is_err() {
        // As above.
        let _ = remove_tree(staged);
    }
    placed?;
    Ok(Report::Delivered)
}

/// Removes what runs left in the folder of releases, and these payloads; says what is still there. Where another host's
/// agent is at work for the same run, it cleans up.
pub(super) fn clean(site: &Site, runs: &[RunId], payloads: &[InfoHash]) -> Vec<String> {
    try_clean(site, runs, payloads).unwrap_or_else(|error| vec![error.to_string()])
}

fn try_clean(site: &Site, runs: &[RunId], payloads: &[InfoHash]) -> Result<Vec<String>, ReleaseError> {
    let Some(workspace) = Workspace::existing(&site.destination)? else { return Ok(Vec::new()) };
    if site.claim.get().is_none() {
        match workspace.claim(site.run.as_str(), &site.holder) {
            Ok(claim) => drop(site.claim.set(claim)),
            Err(ReleaseError::NotOurs { .. }) => return Ok(Vec::new()),
            // What is named after these runs is theirs all the same.
            Err(ReleaseError::Held { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let runs: Vec<_> = runs.iter().map(RunId::as_str).collect();
    let remains = workspace.remove(&runs, payloads, site.claim.get());
    Ok(remains.into_iter().map(|error| error.to_string()).collect())
}

/// A path of an order: `~/` at its start is this user's home.
pub(super) fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        (Some(_) | None, _) => PathBuf::from(path),
    }
}

fn is_there(context: &Context, site: &Site, order: &ServeOrder) -> Result<bool, AgentFailure> {
    let expected = order.payload.content_sha256;
    match release::state(&site.destination, order.tag.as_str(), expected, context.cancel())? {
        ReleaseState::Absent => Ok(false),
        ReleaseState::Same => Ok(true),
        ReleaseState::Differs { found } => {
            let path = site.destination.join(order.tag.as_str()).display().to_string();
            Err(AgentFailure::ReleaseDiffers { path, found, expected })
        }
    }
}

/// Errs unless payload and release fit, less what of the payload has its room already.
fn check_space(
    workspace: &Workspace,
    payload: &Path,
    access: Access,
    info: &Info,
    unpacked: ByteCount,
) -> Result<(), AgentFailure> {
    let missing = match access {
        Access::Read => ByteCount(0),
        Access::Write => ByteCount(info.layout().total()) - room_taken(payload),
    };
    let (needed, free) = (missing + unpacked, workspace.space_left()?);
    if needed > free {
        return Err(AgentFailure::DiskFull { path: workspace.path().display().to_string(), needed, free });
    }
    Ok(())
}

fn room_taken(path: &Path) -> ByteCount {
    use std::os::unix::fs::MetadataExt;
    ByteCount(path.symlink_metadata().map_or(0, |about| about.blocks() * 512))
}

/// A disk that became full while unpacking does not say how much is missing.
fn with_space(failure: AgentFailure, destination: &Path, facts: &PayloadFacts) -> AgentFailure {
    if let AgentFailure::DiskFull { .. } = failure {
        let free = release::space_left(destination).unwrap_or_default();
        let path = destination.display().to_string();
        return AgentFailure::DiskFull { path, needed: facts.unpacked_cost(), free };
    }
    failure
}
