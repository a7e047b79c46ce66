//! A folder as payload: nested, with empty files and files that end inside a piece.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Files that exercise every corner at a piece length of 64 KiB.
const FILES: &[(&str, usize)] = &[
    ("empty", 0),
    ("a/tiny", 17),
    ("a/b/c/deep", 70_000),
    ("a/b/whole piece", 65_536),
    ("ünïcode…", 130_001),
    ("z/big", 900_000),
    ("z/last, empty", 0),
];

/// A folder called `site` below one that vanishes.
pub(crate) struct Tree {
    pub(crate) folder: TempDir,
    pub(crate) root: PathBuf,
}

impl Tree {
    pub(crate) fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("source/site");
        let mut rng = fastrand::Rng::with_seed(seed);
        for (name, length) in FILES {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut bytes = vec![0; *length];
            rng.fill(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
        Self { folder, root }
    }

    /// A path beside the tree.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Asserts that the same files with the same bytes lie at `copy`, and nothing else but padding.
    pub(crate) fn assert_copied_to(&self, copy: &Path) {
        let (mine, mut theirs) = (files_of(&self.root), files_of(copy));
        theirs.retain(|path, _| !path.starts_with(".pad"));
        assert!(mine.keys().eq(theirs.keys()), "{:?} is not {:?}", theirs.keys(), mine.keys());
        for (path, bytes) in &mine {
            assert_eq!(sha256(bytes), sha256(&theirs[path]), "{}", path.display());
        }
    }
}

/// Every file below a folder, with its bytes.
fn files_of(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
