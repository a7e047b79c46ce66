//! Which symbolic links stay inside a release.

/// Whether a link at `path` (relative to the release) to `target` could lead out of the release.
///
/// It may climb with `..` only at its start, and not above the release; after that it may only descend. Where a link's own
/// directory lies is certain, so that the climb is; a `..` after a name may climb from wherever another link leads, so it is
/// taken for one that leads out.
pub(super) fn leads_out(path: &[u8], target: &[u8]) -> bool {
    let mut climb = depth(path);
    let mut descending = false;
    if target.is_empty() || target.starts_with(b"/") {
        return true;
    }
    for component in target.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if descending || climb == 0 => return true,
            b".." => climb -= 1,
            _ => descending = true,
        }
    }
    false
}

/// How many directories lie between a path and the root.
pub(super) fn depth(path: &[u8]) -> usize {
    path.split(|byte| *byte == b'/').count() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_inside_stay() {
        for (path, target) in [("a", "b"), ("a/b", "../c"), ("a/b/c", "../../d/e"), ("a/b", "./c//d/"), ("a", ".")] {
            assert!(!leads_out(path.as_bytes(), target.as_bytes()), "{path} -> {target}");
        }
    }

    #[test]
    fn links_that_climb_or_could_climb_lead_out() {
        for (path, target) in
            [("a", "/etc"), ("a", ".."), ("a/b", "../.."), ("a/b", "c/../../d"), ("a", ""), ("a", "b/..")]
        {
            assert!(leads_out(path.as_bytes(), target.as_bytes()), "{path} -> {target}");
        }
    }
}
