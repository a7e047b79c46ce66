//! What is left out of an archive.

use super::glob::Glob;

/// Why a glob cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is not a glob: {why}")]
pub struct GlobError {
    glob: String,
    why: &'static str,
}

/// The paths that are left out: `.git` anywhere, and what the globs match.
///
/// A glob without `/` matches a name in any directory (`*.log`); one with `/` matches a path from the source (`/tmp`,
/// `a/*/b`, `**/cache/x`). A directory that is left out is left out with all it holds.
pub(super) struct Exclude {
    globs: Vec<Glob>,
}

impl Exclude {
    /// Parses the globs.
    pub(super) fn new(globs: &[String]) -> Result<Self, GlobError> {
        let mut parsed = Vec::new();
        for glob in globs {
            let trimmed = glob.strip_suffix('/').unwrap_or(glob);
            let anchored = match trimmed.strip_prefix('/') {
                Some(rest) => rest.to_owned(),
                None if trimmed.contains('/') => trimmed.to_owned(),
                None => format!("**/{trimmed}"),
            };
            parsed.push(Glob::parse(&anchored).map_err(|why| GlobError { glob: glob.clone(), why })?);
        }
        Ok(Self { globs: parsed })
    }

    /// Whether the path is left out.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        path.rsplit(|byte| *byte == b'/').next() == Some(b".git") || self.globs.iter().any(|glob| glob.matches(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_without_a_slash_matches_a_name_anywhere() {
        let exclude = Exclude::new(&["*.log".into(), "/top".into(), "a/*/c".into(), "cache/".into()]).unwrap();
        for path in ["x.log", "a/b/x.log", "top", "a/b/c", "d/cache", ".git", "sub/.git"] {
            assert!(exclude.matches(path.as_bytes()), "{path}");
        }
        for path in ["x.logs", "a/top", "a/b/d/c", ".gitignore", "caches"] {
            assert!(!exclude.matches(path.as_bytes()), "{path}");
        }
        assert!(exclude.matches(b"\xff\xfe.log"));
    }

    #[test]
    fn a_broken_glob_is_named() {
        let error = Exclude::new(&["a[".into()]).err().unwrap();
        assert!(error.to_string().starts_with("`a[` is not a glob: "), "{error}");
    }
}
