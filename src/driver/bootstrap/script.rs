//! The commands that run on hosts.
//!
//! A login shell hands them to `/bin/sh`, and it may be csh or fish: inside the single quotes there is no single quote,
//! `!`, backslash or newline (`a_command_is_safe_in_any_login_shell` checks). Lines that answer begin with [`PREFIX`];
//! whatever else a host prints is noise. It may not end with a newline: each command says one first. Several hosts may
//! share a work folder (a home on NFS): names of passing files hold the host's. Every program that is started costs a host
//! a millisecond, and all of them a run's start: what the shell can do itself it does.

/// What an answer begins with.
pub(super) const PREFIX: &str = "@rookery ";

/// Leaves the digest of the agent `$1` in `$f`. It tells itself, and `$ran` that it runs; one that is older or damaged is looked
/// at by the host's own means.
macro_rules! digest {
    () => {
        "digest() { ran=1; f=$(\"$1\" sum </dev/null 2>/dev/null); \
         [ \"$f\" = \"$sum\" ] || { ran=; f=$(sha256sum <\"$1\" 2>/dev/null); f=${f%% *}; }; }; "
    };
}

/// Takes the agent `$sum` into the folder `$d`, and removes those that no run has looked for in two weeks. Stdin: `gzip` or `cat`,
/// how many bytes come, and these.
macro_rules! take_in {
    () => {
        concat!(
            "IFS= read -r how; IFS= read -r len; p=\"$d/agents/$sum\"; t=\"$p/.new.$n\"; ",
            "gone() { rm -f \"$t\"; exit 9; }; trap gone HUP INT TERM PIPE; ",
            "[ -d \"$p\" ] || mkdir -p \"$p\" || { say bad cannot make \"$p\"; exit 9; }; ",
            "case \"$how\" in gzip) head -c \"$len\" | gzip -dc >\"$t\";; *) head -c \"$len\" >\"$t\";; esac; r=$?; ",
            "chmod 700 \"$t\" && digest \"$t\"; ",
            "if [ $r = 0 ] && [ \"$f\" = \"$sum\" ] && mv -f \"$t\" \"$p/rookery-agent\"; then ",
            ": >\"$p/used\"; say stored; ",
            "else rm -f \"$t\"; say bad \"digest $f, $how ended with $r\"; exit 9; fi; trap - HUP INT TERM PIPE; ",
            "for a in \"$d\"/agents/*; do [ \"$a\" = \"$p\" ] || [ -n \"$(find \"$a\" -mtime -15 2>/dev/null)\" ] || rm -rf \"$a\"; done; ",
        )
    };
}

/// Starts the agent `$id` with the console at its stdin and stdout, and waits for it: only a parent is told which signal killed it.
/// `$1` is its SHA-256 if it is to look at the host first, as [`PROBE`] does. An agent that is another process (78), or has died, is
/// attached to: that tells what became of it. It returns when the agent is not what it should be (9), or did not begin.
macro_rules! run {
    () => {
        concat!(
            "run() { a=\"$d/agents/$sum/rookery-agent\"; [ -O \"$a\" ] || return; cd /; ",
            "\"$a\" serve \"$id\" --work-dir \"$d\" --look \"$1\" --detached; r=$?; ",
            "case $r in 7[057]) exit $r;; 76) exit 0;; 1|78|12[89]|1[3-9]?) [ -S \"$d/runs/$id/socket\" ] && ",
            "exec \"$a\" attach \"$id\" --work-dir \"$d\" --ended $r;; esac; }; ",
        )
    };
}

/// Looks at the host, then does what it is told, a line each, until the end: [`TAKE_IN`], [`BECOME`]. Stdin first, a line each:
/// the wanted work folder, the agent's SHA-256, its name, `keep` or `undo` for a work folder that is not there yet, and, empty where
/// they do not matter, the folder of releases, a tag, an info-hash, the first and last port, the address to listen on.
///
/// Where the agent has a name and is in the wanted folder it looks itself, in `driver/agent/look.rs`, and no other program is started: it
/// is read there what follows its name. If it refuses, the shell looks.
///
/// Each work folder tried must be a folder of ours with mode 0700, no link, and a file in it must run. With `undo`, where
/// it is not there, one of another name stands in for it, and is removed. The folder of releases is not made: a file is
/// made and removed in what is there of its path. The umask stays the user's, for the agent to know it. Of ports those are told that have a listener at this address or at any.
///
/// Who holds the folder of releases is told by its lock, as long as the system knows somebody to have locked it: one whose agent
/// is dead is nobody's. The holder's own words are not for `echo`, which may look into them.
pub(super) const PROBE: &str = concat!(
    "exec /bin/sh -c 'get() { for v in \"$@\"; do IFS= read -r $v; done; }; get want sum id; export LC_ALL=C; echo; ",
    "home() { case \"$1\" in \"~\") h=$HOME;; \"~/\"*) h=$HOME/${1#??};; *) h=$1;; esac; }; ",
    run!(),
    "home \"$want\"; want=$h; d=$h; [ -n \"$id\" ] && run \"$sum\"; ",
    "get keep to tag hash ports at; ",
    "say() { echo \"@rookery $*\"; }; set -- $(uname -snm); n=$2.$$; ",
    "say system \"$1 $3\"; say ssh \"$SSH_CONNECTION\"; ",
    "command -v gzip >/dev/null 2>&1 && say has gzip; ",
    "above() { p=\"$1\"; c=; until [ -d \"$p/\" ]; do c=\"$p\"; p=\"${p%/*}\"; done; }; ",
    digest!(),
    "fit() { ",
    "if [ -L \"$1\" ]; then why=\"is a symbolic link\"; return 1; fi; ",
    "if [ -d \"$1\" ]; then :; else why=\"cannot be made\"; return 1; fi; ",
    "if [ -O \"$1\" ]; then :; else why=\"belongs to somebody else\"; return 1; fi; ",
    "a=\"$1/agents/$sum/rookery-agent\"; has=; ",
    "[ -n \"$m\" ] || case \"$(ls -ld \"$w\")\" in drwx------*) ;; *) why=\"is open to others (chmod 700)\"; return 1;; esac; ",
    "u=\"$1/agents/$sum/used\"; was=; [ -r \"$u\" ] && IFS= read -r was <\"$u\"; ",
    "if [ -x \"$a\" ] && echo \"$was\" 2>/dev/null >\"$u\"; then digest \"$a\"; ",
    "if [ \"$f\" = \"$sum\" ]; then has=1; [ -z \"$ran\" ] || return 0; fi; fi; ",
    "t=\"$w/.probe.$n\"; [ -e \"$t\" ] && rm -f \"$t\"; ",
    "if echo : 2>/dev/null >\"$t\" && chmod 700 \"$t\"; then :; ",
    "else rm -f \"$t\"; why=\"cannot be written to\"; return 1; fi; ",
    "if \"$t\" >/dev/null 2>&1; then rm -f \"$t\"; return 0; fi; ",
    "rm -f \"$t\"; why=\"does not let files run (noexec)\"; return 1; }; ",
    "try() { ",
    "case \"$1\" in /*) ;; *) why=\"is no absolute path\"; return 1;; esac; ",
    "above \"$1\"; m=; w=\"$1\"; if [ -n \"$c\" ] && [ \"$keep\" = undo ]; then ",
    "if [ -e \"$c\" ] || [ -L \"$c\" ]; then why=\"cannot be made\"; return 1; fi; w=\"$p/.rookery-probe.$n\"; fi; ",
    "[ -d \"${w%/*}/\" ] || (umask 077; mkdir -p \"${w%/*}/\") 2>/dev/null; ",
    "[ -e \"$w\" ] || { mkdir -m 700 \"$w\" 2>/dev/null && m=1; }; ",
    "fit \"$w\"; r=$?; [ \"$w\" = \"$1\" ] || rmdir \"$w\" 2>/dev/null; return $r; }; ",
    "ladder() { for d in \"$@\"; do [ -n \"$d\" ] || continue; ",
    "if try \"$d\"; then return 0; else say refused \"$d $why\"; fi; done; return 1; }; ",
    "top=; if ladder \"$want\" \"$HOME/.cache/rookery\" || ",
    "{ u=$(id -u); ladder \"/run/user/$u/rookery\" \"/var/tmp/rookery-$u\" \"/tmp/rookery-$u\"; }; ",
    "then top=\"$p/\"; say folder \"$d\"; say top \"$top\"; [ -n \"$has\" ] && say agent; ",
    "o=0; for a in \"$d\"/agents/*; do case \"$a\" in *\"/$sum\"|*\"/*\") ;; *) o=$((o+1));; esac; done; say agents $o; fi; ",
    "say time $(date +%s); p=; if [ -n \"$to\" ]; then home \"$to\"; to=$h; above \"$to\"; ",
    "if [ -n \"$c\" ] && { [ -e \"$c\" ] || [ -L \"$c\" ]; }; then say misfit \"$c\"; ",
    "else t=\"$p/.rookery-probe.$n\"; if echo 2>/dev/null >\"$t\"; then rm -f \"$t\"; ",
    "else e=$( { echo >\"$t\"; } 2>&1); rm -f \"$t\" 2>/dev/null; say refuses \"${e##*: }\"; fi; fi; ",
    "r=\"$to/.rookery\"; if [ -e \"$r\" ]; then [ -O \"$r\" ] || say foreign \"$r\"; ",
    "[ -n \"$hash\" ] && [ -e \"$r/$hash.part\" ] && set -- $(du -k \"$r/$hash.part\" 2>/dev/null) && say partial \"$1\"; ",
    "i=$(stat -c %i \"$r/lock\" 2>/dev/null) && grep -qs \"FLOCK.*:$i 0 EOF\" /proc/locks && { IFS= read -r l; IFS= read -r e; } ",
    "<\"$r/lock\" && printf \"@rookery held %s %s\" \"$l\" \"$e\" && echo; fi; ",
    "[ -n \"$tag\" ] && { [ -e \"$to/$tag\" ] || [ -L \"$to/$tag\" ]; } && say release; ",
    "p=\"$p/\"; say into \"$p\"; fi; ",
    "set --; [ -n \"$top\" ] && set -- \"$top\"; case \"$p\" in \"\"|\"$top\") ;; *) set -- \"$@\" \"$p\";; esac; ",
    "[ $# = 0 ] || stat -f -c \"@rookery room %a %S %c %d %n\" \"$@\" 2>/dev/null; ",
    "set -- $ports; if [ -n \"$2\" ]; then lo=$1; hi=$2; set -- $SSH_CONNECTION; at=\"${at:-$3}\"; own=-; ",
    "case \"$at\" in *.*.*.*) own=$(IFS=.; set -- $at; printf %02X%02X%02X%02X $4 $3 $2 $1);; esac; ",
    "say taken $(grep -Ehs \"^ *[0-9]+: ($own|0{8}|0{32}):.{4} [0-9A-F]+:0000 0A \" /proc/net/tcp /proc/net/tcp6 | ",
    "while read -r n l z; do n=$((0x${l##*:})); [ $n -ge $lo ] && [ $n -le $hi ] && echo $n; done); fi; say end; ",
    "while IFS= read -r more; do eval \"$more\"; done'",
);

/// Takes the agent into the folder that was found.
pub(super) const TAKE_IN: &str = take_in!();

/// Starts the agent, or becomes the way to it if it runs already. Stdin: orders.
pub(super) const BECOME: &str = "run; exit $r";

/// Takes the agent into another folder. Stdin: the folder, the agent's SHA-256, then as [`TAKE_IN`].
pub(super) const INSTALL: &str = concat!(
    "exec /bin/sh -c 'umask 077; IFS= read -r d; IFS= read -r sum; n=$(uname -n).$$; say() { echo \"@rookery $*\"; }; echo; ",
    digest!(),
    take_in!(),
    "'",
);

/// Becomes the way to an agent that runs, in place of the login shell too: who waits for it is told how it really ended. Stdin: the
/// work folder, the agent's SHA-256, its name, then orders.
pub(super) const ATTACH: &str = concat!(
    "exec /bin/sh -c 'IFS= read -r d; IFS= read -r sum; IFS= read -r id; ",
    "exec \"$d/agents/$sum/rookery-agent\" attach \"$id\" --work-dir \"$d\"'",
);

/// Ends an agent and all in its session's group, its unit first if it has one, and proves it. Stdin: the work folder, its
/// name, its process id or nothing: then its lock names it. A process of that id that is no agent of ours is not touched.
pub(super) const END: &str = concat!(
    "/bin/sh -c 'IFS= read -r d; IFS= read -r id; IFS= read -r p; say() { echo \"@rookery $*\"; }; echo; ",
    "u=; f=\"$d/runs/$id/unit\"; [ -f \"$f\" ] && IFS= read -r u <\"$f\"; ",
    "on() { [ -n \"$u\" ] && systemctl --quiet is-active \"$u\" 2>/dev/null; }; on && systemctl --quiet stop \"$u\" 2>/dev/null; ",
    "gone() { if on; then say alive; else say gone; fi; exit 0; }; ",
    "l=\"$d/runs/$id/lock\"; [ -n \"$p\" ] || { [ -f \"$l\" ] && IFS= read -r p <\"$l\"; }; ",
    "case \"$p\" in \"\"|0|1) gone;; esac; ",
    "alive() { kill -0 \"$p\" 2>/dev/null || return 1; [ -d \"/proc/$$\" ] || return 0; ",
    "case \"$(cat \"/proc/$p/cmdline\" 2>/dev/null)\" in *rookery-agent*) return 0;; *) return 1;; esac; }; ",
    "for s in TERM KILL; do ",
    "if alive; then kill -$s \"-$p\" 2>/dev/null || kill -$s \"$p\" 2>/dev/null; else gone; fi; ",
    "for i in 1 2 3 4 5 6 7 8 9 10; do ",
    "if alive; then sleep 0.2 2>/dev/null || sleep 1; else gone; fi; done; done; say alive'",
);

/// Has an agent end and remove what earlier runs left. Stdin: the work folder, the agent's SHA-256, who cleans at which host,
/// the folder of releases, whether runs that are under way are ended (anything) or not (nothing).
pub(super) const CLEAN: &str = concat!(
    "exec /bin/sh -c 'for v in d sum id to how; do IFS= read -r $v; done; echo; ",
    "exec \"$d/agents/$sum/rookery-agent\" clean \"$id\" --work-dir \"$d\" --to \"$to\" ${how:+--force}'",
);

/// Has an agent answer questions, and says no more than it does. Stdin: the folder it lies in, its SHA-256, `keep`, or
/// `undo` when it was brought for this alone, then questions.
///
/// It removes what it has to by itself, however the questions end: with a connection that is lost, too.
pub(super) const CONSULT: &str = concat!(
    "/bin/sh -c 'for v in d sum keep; do IFS= read -r $v; done; ",
    "say() { echo \"@rookery $*\"; }; echo; a=\"$d/agents/$sum/rookery-agent\"; ",
    "undo() { [ \"$keep\" = undo ] || return; rm -f \"$a\" \"$d/agents/$sum/used\"; rmdir \"$d/agents/$sum\" \"$d/agents\" \"$d\"; ",
    "[ -e \"$d\" ] && say left \"$d\"; }; ",
    "trap \"undo; exit 9\" HUP INT TERM PIPE; \"$a\" probe; undo; say end'",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_safe_in_any_login_shell() {
        for command in [PROBE, INSTALL, ATTACH, END, CLEAN, CONSULT] {
            let command = command.strip_prefix("exec ").unwrap_or(command);
            let inside = command.strip_prefix("/bin/sh -c '").and_then(|rest| rest.strip_suffix('\'')).unwrap();
            assert!(!inside.contains(['\'', '!', '\\', '\n', '\r']), "{command}");
            assert!(inside.is_ascii() && command.len() < 4096, "{}", command.len());
        }
    }

    #[test]
    fn what_is_said_to_a_shell_of_ours_is_one_line() {
        assert!([TAKE_IN, BECOME].iter().all(|line| !line.contains(['\n', '\r'])));
    }
}
