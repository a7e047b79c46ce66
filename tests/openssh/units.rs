//! Agents that are units of systemd. There is none on a machine for tests: `systemd-run` and `systemctl` are scripts that
//! write down what they are told, and do as much as is needed.

use std::fs;
use std::process::Command;

use super::lab::{Lab, LabHost, wait_until};
use super::life::detached;
use super::{deployed, kill, source};

/// Starts the command in a session of its own, and notes its process under the unit's name.
const SYSTEMD_RUN: &str = r#"
echo "systemd-run $*" >>"$LAB/LOG"
while [ "$1" != -- ]; do
    case "$1" in
        --unit=*) unit="${1#*=}";;
        --property=StandardOutput=append:*) log="${1#*:}";;
        --setenv=*) export "${1#*=}";;
    esac
    shift
done
shift
setsid "$@" >>"$log" 2>&1 </dev/null &
echo $! >"$LAB/$unit"
"#;

/// Stops what was noted, with its children, as a cgroup would be.
const SYSTEMCTL: &str = r#"
[ "$1" = --quiet ] && shift
p=$(cat "$LAB/$2" 2>/dev/null) || exit 4
all="$p $(cat "/proc/$p/task/$p/children" 2>/dev/null)"
alive() { for i in $all; do kill -0 "$i" 2>/dev/null && return 0; done; return 1; }
case "$1" in
    is-active) alive || exit 3;;
    stop) echo "systemctl stop $2" >>"$LAB/LOG"
        for s in TERM CONT KILL; do kill -$s $all 2>/dev/null; sleep 0.5; done;;
esac
"#;

/// A lab whose first host runs under such a systemd, which writes into its folder.
fn lab() -> Option<Lab> {
    let mut lab = Lab::of(2)?;
    let home = lab.hosts[0].folder.clone();
    let [run, ctl] = [SYSTEMD_RUN, SYSTEMCTL].map(|script| format!("LAB={}\n{script}", home.display()));
    lab.pretend_systemd(0, &run, &ctl).then_some(lab)
}

fn log(host: &LabHost) -> String {
    fs::read_to_string(host.folder.join("LOG")).unwrap_or_default()
}

#[test]
fn an_agent_of_root_is_a_unit_under_systemd_and_ends_with_its_run() {
    let Some(lab) = lab() else { return };
    let source = source(&lab, 2);
    let mut run = lab.start(&source, &["--tag", "v1", "--max-upload", "2M"]);
    run.until_all_have_pieces(&lab.hosts);
    let unit = format!("rookery-{}-127.0.0.2.service", run.id());
    let told = log(&lab.hosts[0]);
    let log_file = lab.hosts[0].work_dir().join("runs").join(run.id()).join("127.0.0.2/agent.log");
    assert!(told.starts_with("systemd-run --quiet --collect ") && told.contains(&format!(" --unit={unit} ")), "{told}");
    assert!(told.contains(&format!(" --property=StandardOutput=append:{} ", log_file.display())), "{told}");
    assert!(told.contains(&format!("/rookery-agent serve {}/127.0.0.2 --work-dir ", run.id())), "{told}");
    assert!(log(&lab.hosts[1]).is_empty(), "that host has no systemd");
    run.finish().expect_code(0);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
    assert!(!log(&lab.hosts[0]).contains("stop"), "it has ended by itself");
}

#[test]
fn a_unit_that_does_not_end_is_stopped_and_that_is_proved() {
    let Some(lab) = lab() else { return };
    let source = source(&lab, 12);
    for by in ["abort", "clean"] {
        let tag = format!("by-{by}");
        let mut run = lab.start(&source, &["--tag", &tag, "--max-upload", "1M"]);
        run.until_all_have_pieces(&lab.hosts);
        let stopped = format!("systemctl stop rookery-{}-127.0.0.2.service", run.id());
        let agents = detached(&lab.hosts[0]);
        let signal = |name: &str, pid: u32| {
            let sent = Command::new("kill").args([name, &pid.to_string()]).status();
            assert!(sent.expect("kill is everywhere").success());
        };
        // It hears nobody any more.
        for agent in &agents {
            signal("-STOP", *agent);
        }
        if by == "abort" {
            signal("-INT", run.child.id());
            let ended = run.finish().expect_code(130);
            assert!(ended.end()["left_behind"].as_array().is_some_and(Vec::is_empty), "{}", ended.story);
        } else {
            kill(&[run.child.id()]);
            drop(run.finish());
        }
        let cleaned = lab.rookery(&["clean", "--force"]).output().expect("rookery was built");
        assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stdout));
        wait_until("its processes are gone", || lab.hosts[0].agents().is_empty());
        assert!(log(&lab.hosts[0]).lines().any(|line| line == stopped), "{}", log(&lab.hosts[0]));
        lab.assert_clean();
    }
}
