//! The cases in which russh's own checker and OpenSSH differ, and the writer.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::index::Index;
use super::*;

const ED: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const ED2: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

fn key(text: &str) -> HostKey {
    HostKey::from_base64(text).unwrap()
}

fn index(text: &str) -> Index {
    let mut index = Index::default();
    index.read(Path::new("known_hosts"), text);
    index
}

fn check(text: &str, host: &str, port: u16, presented: &str) -> Verdict {
    index(text).of_host(&[host], port).check(&key(presented))
}

#[test]
fn plain_names_lists_and_ports_match() {
    let text = format!("a,B.dc1 ssh-ed25519 {ED} me@here\n[c]:2222 ssh-ed25519 {ED}\n");
    for (host, port) in [("a", 22), ("b.dc1", 22), ("B.DC1", 22), ("c", 2222)] {
        assert_eq!(check(&text, host, port, ED), Verdict::Known, "{host}");
    }
    assert_eq!(check(&text, "c", 22, ED), Verdict::Unknown);
    assert_eq!(check(&text, "a", 2222, ED), Verdict::Known, "a key without port vouches for any");
    assert_eq!(check(&text, "a", 2222, ED2), Verdict::Unknown, "but speaks against none");
}

#[test]
fn a_revoked_key_is_refused_even_when_a_later_line_has_it() {
    let text = format!("@revoked a ssh-ed25519 {ED}\na ssh-ed25519 {ED}\n");
    assert_eq!(check(&text, "a", 22, ED), Verdict::Revoked { revoked_at: "known_hosts:1".to_owned() });
    let text = format!("@revoked * ssh-ed25519 {ED}\na ssh-ed25519 {ED}\n");
    assert_eq!(check(&text, "a", 22, ED), Verdict::Revoked { revoked_at: "known_hosts:1".to_owned() });
}

#[test]
fn an_authority_vouches_for_the_names_of_its_line_and_of_the_certificate() {
    let text = format!("@cert-authority *.dc1,[b.dc2]:2222 ssh-ed25519 {ED}\n");
    let index = index(&text);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let at = "known_hosts:1";
    for (host, port, principals, patron) in [
        ("a.dc1", 22, names(&["b", "A.dc1"]), Patron::Vouches(at)),
        ("a.dc1", 2222, names(&["a.dc1"]), Patron::Vouches(at)),
        ("b.dc2", 2222, names(&["b.dc2"]), Patron::Vouches(at)),
        ("a.dc1", 22, names(&["*.dc1"]), Patron::Vouches(at)),
        ("a.dc1", 22, names(&[]), Patron::Vouches(at)),
        ("a.dc1", 22, names(&["b.dc1"]), Patron::ForOthers(at)),
        ("b.dc2", 22, names(&["b.dc2"]), Patron::Stranger),
    ] {
        let keys = index.of_host(&[host], port);
        assert_eq!(keys.patron(&key(ED), &principals), patron, "{host} {principals:?}");
        assert_eq!(keys.patron(&key(ED2), &principals), Patron::Stranger, "{host}");
        assert_eq!(keys.check(&key(ED)), Verdict::Unknown, "an authority's key is no host's");
    }
    assert!(index.warnings().is_empty());
}

#[test]
fn wildcards_and_negation_match() {
    let text = format!("*.dc1,!b.dc1 ssh-ed25519 {ED}\n");
    assert_eq!(check(&text, "a.dc1", 22, ED), Verdict::Known);
    assert_eq!(check(&text, "b.dc1", 22, ED), Verdict::Unknown);
}

#[test]
fn tabs_comments_and_empty_lines_are_read_and_counted() {
    let text = format!("# a comment\n\n \t# another\r\na\tssh-ed25519\t{ED}\r\n");
    assert_eq!(check(&text, "a", 22, ED2), Verdict::Changed { known_at: "known_hosts:4".to_owned() });
    assert_eq!(check(&text, "a", 22, ED), Verdict::Known);
}

#[test]
fn a_host_may_have_several_keys() {
    let text = format!("a ssh-ed25519 {ED2}\na ssh-ed25519 {ED}\n");
    assert_eq!(check(&text, "a", 22, ED), Verdict::Known);
    assert_eq!(check(&text, "a", 22, ED2), Verdict::Known);
}

#[test]
fn the_name_decides_before_the_address() {
    let text = format!("web1 ssh-ed25519 {ED}\n10.0.0.1 ssh-ed25519 {ED2}\n");
    let known = index(&text);
    assert_eq!(known.of_host(&["web1", "10.0.0.1"], 22).check(&key(ED)), Verdict::Known);
    assert!(matches!(known.of_host(&["web1", "10.0.0.1"], 22).check(&key(ED2)), Verdict::Changed { .. }));
    assert_eq!(known.of_host(&["web9", "10.0.0.1"], 22).check(&key(ED2)), Verdict::Known);
}

#[test]
fn damaged_lines_are_named() {
    let text =
        format!("a ssh-ed25519\nb ssh-rsa {ED}\nc ssh-ed25519 %%%\n@what d ssh-ed25519 {ED}\n|1|x ssh-ed25519 {ED}");
    let known = index(&text);
    assert_eq!(known.warnings().len(), 5);
    assert!(known.warnings()[1].starts_with("known_hosts:2 names another key type"), "{:?}", known.warnings());
}

#[test]
fn an_unreadable_file_is_an_error_and_a_missing_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    assert!(KnownHosts::load(&[folder.path().join("none")]).is_ok());
    let error = KnownHosts::load(&[folder.path().to_owned()]).unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
}

#[test]
fn what_ssh_keygen_hashes_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    std::fs::write(&path, format!("web1.dc1 ssh-ed25519 {ED}\n[web2]:2222 ssh-ed25519 {ED2}\n")).unwrap();
    let hashed = Command::new("ssh-keygen").args(["-H", "-f"]).arg(&path).output().unwrap();
    assert!(hashed.status.success());
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("|1|"));
    let known = KnownHosts::load(&[path]).unwrap();
    assert_eq!(known.of_host(&["Web1.dc1"], 22).unwrap().check(&key(ED)), Verdict::Known);
    assert_eq!(known.of_host(&["web2"], 2222).unwrap().check(&key(ED2)), Verdict::Known);
    assert!(matches!(known.of_host(&["web2"], 2222).unwrap().check(&key(ED)), Verdict::Changed { .. }));
    assert_eq!(known.of_host(&["web3"], 22).unwrap().check(&key(ED)), Verdict::Unknown);
}

#[test]
fn fingerprints_are_those_of_ssh_keygen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pub");
    std::fs::write(&path, format!("ssh-ed25519 {ED}\n")).unwrap();
    let shown = Command::new("ssh-keygen").args(["-l", "-f"]).arg(&path).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains(&key(ED).fingerprint()));
}

#[test]
fn an_accepted_key_is_known_at_once_and_on_disk_for_the_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ssh/known_hosts");
    let known = KnownHosts::load(std::slice::from_ref(&path)).unwrap();
    known.accept("Web1", 2222, &key(ED)).unwrap();
    assert_eq!(known.of_host(&["web1"], 2222).unwrap().check(&key(ED)), Verdict::Known);
    let changed = known.of_host(&["web1"], 2222).unwrap().check(&key(ED2));
    assert_eq!(changed, Verdict::Changed { known_at: format!("{}:1", path.display()) });
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("[web1]:2222 ssh-ed25519 {ED}\n"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(known.accept("a,b", 22, &key(ED)).is_err());
    known.accept("Web1", 2222, &key(ED)).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1, "once is enough");
}

#[test]
fn a_key_is_written_behind_a_line_without_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    std::fs::write(&path, format!("a ssh-ed25519 {ED}")).unwrap();
    let known = KnownHosts::load(std::slice::from_ref(&path)).unwrap();
    known.accept("b", 22, &key(ED2)).unwrap();
    let again = KnownHosts::load(&[path]).unwrap();
    assert_eq!(again.of_host(&["a"], 22).unwrap().check(&key(ED)), Verdict::Known);
    assert_eq!(again.of_host(&["b"], 22).unwrap().check(&key(ED2)), Verdict::Known);
}

#[test]
fn a_line_that_was_mended_counts_at_the_next_try() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    std::fs::write(&path, format!("a ssh-ed25519 {ED2}\n")).unwrap();
    let known = KnownHosts::load(std::slice::from_ref(&path)).unwrap();
    assert!(matches!(known.of_host(&["a"], 22).unwrap().check(&key(ED)), Verdict::Changed { .. }));
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, format!("# mended\na ssh-ed25519 {ED}\n")).unwrap();
    assert_eq!(known.of_host(&["a"], 22).unwrap().check(&key(ED)), Verdict::Known);
}
