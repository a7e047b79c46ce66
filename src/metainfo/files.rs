//! The files of a payload: which there are, and which names are safe.

use bt_bencode::ByteString;
use serde::{Deserialize, Serialize};

use super::MetainfoError;
use super::error::text;

/// Longest name of a file or directory, in bytes, as on every usual file system.
const COMPONENT_LENGTH_MAX: usize = 255;
/// Deepest path of a file in a torrent.
pub(super) const COMPONENTS_MAX: usize = 64;
/// Longest name that is shown, in characters.
const SHOWN_MAX: usize = 80;

/// What the bytes of a payload are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One file, called as the torrent.
    Single,
    /// Several files in a folder called as the torrent, laid end to end.
    Multi(Vec<FileEntry>),
}

/// One of several files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its length in bytes.
    pub length: u64,
    /// Its path below the torrent's folder: at least one component, each safe to use as a file name.
    pub path: Vec<String>,
    /// Whether it is one at all.
    pub kind: FileKind,
}

/// What an entry stands for (BEP 47).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// Zeros, so that the next file begins with a piece. They are on no disk; any path does for several of them.
    Padding,
}

impl FileEntry {
    /// The path with `/` between its components.
    pub fn joined(&self) -> String {
        self.path.join("/")
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct RawFile {
    /// Letters: `p` padding, `l` symbolic link, and others that are none of ours (BEP 47).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attr: Option<ByteString>,
    length: u64,
    path: Vec<ByteString>,
}

impl RawFile {
    pub(super) fn of(file: &FileEntry) -> Self {
        let attr = match file.kind {
            FileKind::File => None,
            FileKind::Padding => Some("p".into()),
        };
        Self { attr, length: file.length, path: file.path.iter().map(|name| name.as_str().into()).collect() }
    }

    pub(super) fn safe(self, name: &str) -> Result<FileEntry, MetainfoError> {
        if !(1..=COMPONENTS_MAX).contains(&self.path.len()) {
            return Err(MetainfoError::Depth { name: name.to_owned(), components: self.path.len() });
        }
        let has = |letter| self.attr.as_ref().is_some_and(|attr| attr.contains(&letter));
        let (is_link, kind) = (has(b'l'), if has(b'p') { FileKind::Padding } else { FileKind::File });
        let path = self.path.into_iter().map(component).collect::<Result<_, _>>()?;
        let file = FileEntry { length: self.length, path, kind };
        if is_link { Err(MetainfoError::Link(shown(&file.joined()))) } else { Ok(file) }
    }
}

/// Refuses two files with one path, and a file that lies where another has a folder.
pub(super) fn check_collisions(files: &[FileEntry]) -> Result<(), MetainfoError> {
    let real = files.iter().filter(|file| file.kind == FileKind::File);
    let mut paths: Vec<_> = real.map(|file| file.path.as_slice()).collect();
    // Whatever lies in a folder comes right behind the folder.
    paths.sort_unstable();
    match paths.windows(2).find(|pair| pair[1].starts_with(pair[0])) {
        Some(pair) => Err(MetainfoError::Collision(shown(&pair[0].join("/")))),
        None => Ok(()),
    }
}

/// Takes a name that stays in its folder.
pub(super) fn component(bytes: ByteString) -> Result<String, MetainfoError> {
    let name = text(bytes, "file name")?;
    let unsafe_name = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']);
    if unsafe_name || name.len() > COMPONENT_LENGTH_MAX {
        return Err(MetainfoError::UnsafePath(shown(&name)));
    }
    Ok(name)
}

/// A name from outside as part of a line: short, and what would move a cursor is written out.
fn shown(name: &str) -> String {
    name.escape_debug().take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::Info;

    fn info(dictionary: &str) -> Result<Info, MetainfoError> {
        Info::parse(dictionary.as_bytes())
    }

    fn dictionary(middle: &str) -> String {
        format!("d{middle}12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae")
    }

    fn entry(length: u64, path: &[&str], kind: FileKind) -> FileEntry {
        FileEntry { length, path: path.iter().map(|&p| p.to_owned()).collect(), kind }
    }

    #[test]
    fn several_files_are_laid_end_to_end() {
        let files = "5:filesld6:lengthi3e4:pathl1:a1:beed6:lengthi4e4:pathl1:ceee4:name1:d";
        let info = info(&dictionary(files)).unwrap();
        assert_eq!(info.layout().total(), 7);
        let expected = vec![entry(3, &["a", "b"], FileKind::File), entry(4, &["c"], FileKind::File)];
        assert_eq!(info.content(), &Content::Multi(expected));
    }

    #[test]
    fn padding_is_told_from_files_and_may_share_a_path() {
        let pad = "d4:attr1:p6:lengthi5e4:pathl4:.pad1:5ee";
        let file = |name| format!("d4:attr1:x6:lengthi1e4:pathl1:{name}ee");
        let files = format!("5:filesl{}{pad}{}{pad}e4:name1:d", file("a"), file("b"));
        let raw = dictionary(&files);
        let info = info(&raw).unwrap();
        let padding = entry(5, &[".pad", "5"], FileKind::Padding);
        let file = |name| entry(1, &[name], FileKind::File);
        assert_eq!(info.content(), &Content::Multi(vec![file("a"), padding.clone(), file("b"), padding]));
        let again = Info::describe("d", info.content(), info.layout(), info.pieces(), crate::metainfo::Privacy::Public)
            .unwrap();
        assert_eq!(again.raw(), raw.replace("4:attr1:x", "").as_str());
    }

    #[test]
    fn names_that_leave_their_folder_are_refused() {
        for name in ["2:..", "1:.", "0:", "3:a/b", "2:a\0", "4:/etc"] {
            let single = info(&dictionary(&format!("6:lengthi5e4:name{name}")));
            assert!(matches!(single, Err(MetainfoError::UnsafePath(_))), "{name}");
            let multi = info(&dictionary(&format!("5:filesld6:lengthi5e4:pathl{name}eee4:name1:x")));
            assert!(matches!(multi, Err(MetainfoError::UnsafePath(_))), "{name}");
        }
        let nowhere = info(&dictionary("5:filesld6:lengthi5e4:pathleee4:name1:x"));
        assert!(matches!(nowhere, Err(MetainfoError::Depth { components: 0, .. })));
    }

    #[test]
    fn paths_that_meet_are_refused() {
        let file = |path: &str| format!("d6:lengthi1e4:pathl{path}ee");
        for (one, other) in [("1:a", "1:a"), ("1:a", "1:a1:b"), ("1:a1:b1:c", "1:a1:b"), ("1:a", "1:a1:b1:c")] {
            for pair in [[one, other], [other, one]] {
                let files = format!("5:filesl{}{}{}e4:name1:x", file(pair[0]), file("2:a!"), file(pair[1]));
                assert!(matches!(info(&dictionary(&files)), Err(MetainfoError::Collision(_))), "{pair:?}");
            }
        }
        let apart = format!("5:filesl{}{}{}e4:name1:x", file("1:a1:b"), file("1:a1:c"), file("2:ab"));
        assert!(info(&dictionary(&apart)).is_ok());
    }

    #[test]
    fn links_are_refused() {
        let link = "5:filesld4:attr1:l6:lengthi0e4:pathl1:ae12:symlink pathl3:etcee\
                    d6:lengthi5e4:pathl1:beee4:name1:x";
        let error = info(&dictionary(link)).unwrap_err();
        assert_eq!(error.to_string(), "`a` is a symbolic link; torrents with links are not taken");
    }

    #[test]
    fn a_refused_name_cannot_move_the_cursor() {
        let error = info(&dictionary("6:lengthi5e4:name6:\x1b[2J/a")).unwrap_err();
        assert!(!error.to_string().contains('\x1b'), "{error:?}");
    }
}
