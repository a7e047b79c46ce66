//! The way to hosts, against real SSH servers on loopback: the demo's.

#![cfg(feature = "console")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one kind of input")]

#[path = "ssh/lab.rs"]
mod lab;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use lab::{HOST, Lab, POLITE, host, is_running, polite, start};
use rookery::base::{Bitfield, ByteCount, Layout, PieceIndex};
use rookery::control::Order;
use rookery::demo::Keys;
use rookery::driver::bootstrap::AgentImage;
use rookery::driver::fleet::PushSource;
use rookery::inventory::{Host, HostId, HostKeyPolicy, Place};
use rookery::rollout::{BootStep, Failure, Input, Output, Phase};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_pushed_started_and_ended_and_pushed_only_once() {
    let lab = Lab::new().await;
    for attempt in 1..=2 {
        let mut run = lab.fleet(&polite()).await;
        run.connect(attempt);
        let work_dir = run.attached().await;
        assert_eq!(Path::new(&work_dir), lab.home().join(".cache/rookery"));
        let pid = run.pid().await;
        assert!(is_running(pid));
        run.disconnect(attempt);
        assert_eq!(run.ended().await, (None, Vec::new()));
        assert!(!is_running(pid));
        let pushed = run.seen.iter().any(|i| matches!(i, Input::Bootstrapping { step: BootStep::Pushing { .. }, .. }));
        assert_eq!(pushed, attempt == 1, "{:?}", run.seen);
        let address = run.seen.iter().find_map(|input| match input {
            Input::Connected { facts, .. } => Some((facts.address, facts.console)),
            _ => None,
        });
        assert_eq!(address, Some((lab.server.address().ip(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)))));
    }
    assert_eq!(lab.server.commands().len(), 2, "one for each attempt, whatever is done with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_agent_is_pushed_again() {
    let lab = Lab::new().await;
    let digest = AgentImage::from_bytes(polite().as_bytes()).sha256;
    for attempt in 1..=2 {
        let mut run = lab.fleet(&polite()).await;
        run.connect(attempt);
        let work_dir = run.attached().await;
        run.disconnect(attempt);
        run.ended().await;
        let agent = Path::new(&work_dir).join(format!("agents/{digest}/rookery-agent"));
        assert_eq!(std::fs::read(&agent).unwrap(), polite().as_bytes());
        std::fs::write(&agent, "#!/bin/sh\necho tampered\n").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_will_not_end_is_killed() {
    let lab = Lab::new().await;
    let mut run = lab.fleet(&format!("{POLITE}trap '' TERM HUP\nwhile :; do sleep 1; done\n")).await;
    run.connect(1);
    run.attached().await;
    let pid = run.pid().await;
    run.disconnect(1);
    assert_eq!(run.ended().await, (None, Vec::new()));
    assert!(!is_running(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_is_named_with_its_last_words() {
    let lab = Lab::new().await;
    let failure = lab.ends_with(&format!("{POLITE}echo rookery-agent: out of luck >&2\nexit 70\n")).await;
    assert_eq!(failure, Failure::AgentDied { how: "out of luck".to_owned() });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_exits_at_once_did_not_start() {
    let lab = Lab::new().await;
    let failure = lab.ends_with("#!/bin/sh\necho no such luck\nexit 3\n").await;
    assert!(
        matches!(&failure, Failure::AgentStart { why } if why.contains("status 3") && why.contains("no such luck")),
        "{failure}"
    );
    let failure = lab.ends_with("#!/bin/sh\n[ $1 = serve ] || exit 2\nsleep 30\n").await;
    assert_eq!(failure, Failure::Timeout { phase: Phase::Start, after: Duration::from_secs(4) });
}

#[tokio::test(flavor = "multi_thread")]
async fn login_noise_is_skipped_and_shown_nowhere() {
    let lab = Lab::with(|options| {
        options.rc = "echo Welcome; echo motd >&2; echo '@rookerynot'; printf unfinished;".to_owned();
    })
    .await;
    let mut run = lab.fleet(&polite()).await;
    run.connect(1);
    run.attached().await;
    run.disconnect(1);
    assert_eq!(run.ended().await, (None, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_runs_no_commands_says_what_it_says_instead() {
    let lab = Lab::with(|options| options.rc = "echo This account is not available.; exit 1;".to_owned()).await;
    let failure = lab.ends_with(&polite()).await;
    assert!(!failure.is_retryable());
    assert!(
        matches!(&failure, Failure::AgentStart { why } if why.contains("not available") && why.contains("status 1")),
        "{failure}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_refused_or_accepted_when_new() {
    let mut lab = Lab::new().await;
    lab.know("");
    let failure = lab.ends_with(&polite()).await;
    assert!(matches!(&failure, Failure::HostKeyUnknown { fingerprint, .. } if fingerprint.starts_with("SHA256:")));
    lab.host.strict_host_key = HostKeyPolicy::AcceptNew;
    let mut run = lab.fleet(&polite()).await;
    run.connect(1);
    run.attached().await;
    let known = std::fs::read_to_string(lab.path("known_hosts")).unwrap();
    assert!(known.contains(&format!("[web1]:{} {}", lab.server.address().port(), lab.server.public_line())), "{known}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_is_refused_whatever_the_policy() {
    let mut lab = Lab::new().await;
    lab.know(&format!("# old\n[web1]:{} {}", lab.server.address().port(), Keys::generate().public_line()));
    lab.host.strict_host_key = HostKeyPolicy::AcceptNew;
    let failure = lab.ends_with(&polite()).await;
    assert!(matches!(&failure, Failure::HostKeyChanged { known_at, .. } if known_at.ends_with("known_hosts:2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused() {
    let lab = Lab::new().await;
    let (port, line) = (lab.server.address().port(), lab.server.public_line());
    lab.know(&format!("@revoked * {line}\n[web1]:{port} {line}"));
    let failure = lab.ends_with(&polite()).await;
    assert!(matches!(&failure, Failure::HostKeyRevoked { revoked_at, .. } if revoked_at.ends_with("known_hosts:1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_denied_once() {
    let lab = Lab::with(|options| options.authorized = vec![Keys::generate()]).await;
    let failure = lab.ends_with(&polite()).await;
    assert!(
        matches!(&failure, Failure::Authentication { user, tried } if user == "demo" && tried.contains("id_ed25519"))
    );
    assert!(!failure.is_retryable());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_greets_runs_into_the_deadline() {
    let mut lab = Lab::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    lab.host.port = silent.local_addr().unwrap().port();
    lab.host.connect_timeout = Duration::from_secs(1);
    let failure = lab.ends_with(&polite()).await;
    assert_eq!(failure, Failure::Timeout { phase: Phase::KeyExchange, after: Duration::from_secs(2) });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_before_its_banner_is_tried_a_few_times() {
    let mut lab = Lab::new().await;
    let busy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    lab.host.port = busy.local_addr().unwrap().port();
    let counting = tokio::spawn(async move {
        for _ in 0..3 {
            drop(busy.accept().await.unwrap());
        }
    });
    let failure = lab.ends_with(&polite()).await;
    assert!(matches!(failure, Failure::ClosedBeforeBanner { .. }), "{failure}");
    timeout(Duration::from_secs(1), counting).await.expect("three tries").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_a_refused_connection_and_another_protocol_is_named() {
    let mut lab = Lab::new().await;
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    lab.host.port = closed.local_addr().unwrap().port();
    let failure = lab.ends_with(&polite()).await;
    assert!(matches!(failure, Failure::Connect { .. }), "{failure}");
    lab.host.address = "no-such-host.invalid".to_owned();
    let failure = lab.ends_with(&polite()).await;
    assert!(matches!(failure, Failure::Resolve { .. }), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_open_to_others_is_not_used() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let mut lab = Lab::new().await;
    let open = lab.home().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink(lab.home(), lab.home().join("link")).unwrap();
    for (work_dir, why) in
        [("~/open", "open to others"), ("~/link/", "symbolic link"), ("relative", "no absolute path")]
    {
        lab.host.work_dir = work_dir.to_owned();
        let mut run = lab.fleet(&polite()).await;
        run.connect(1);
        assert!(run.attached().await.ends_with(".cache/rookery"));
        let told = run.seen.iter().any(|i| matches!(i, Input::Transcript { line, .. } if line.contains(why)));
        assert!(told, "{:?}", run.seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_never_shell() {
    let mut lab = Lab::new().await;
    lab.host.work_dir = "~/it's $(touch pwned) `x`; \"quoted\" \\ !".to_owned();
    let mut run = lab.fleet(&polite()).await;
    run.connect(1);
    let work_dir = run.attached().await;
    assert_eq!(Path::new(&work_dir), lab.home().join("it's $(touch pwned) `x`; \"quoted\" \\ !"));
    assert!(!lab.home().join("pwned").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_way_to_an_agent_is_found_again_when_the_rollout_says_so() {
    let lab = Lab::new().await;
    // Its second life says that there is no agent any more.
    let gone = "[ $1 = serve ] || { echo its process is gone >&2; exit 70; }\n";
    let mut run = lab.fleet(&format!("{POLITE}{gone}cat >/dev/null\n")).await;
    run.connect(1);
    run.attached().await;
    lab.server.kill_processes();
    let failure = run
        .wait(|input| match input {
            Input::Lost { failure, .. } => Some(failure.clone()),
            _ => None,
        })
        .await;
    assert!(matches!(failure, Failure::ConnectionLost { .. }), "{failure}");
    run.fleet.execute(Output::Rejoin { at: HOST, attempt: 1 });
    let (failure, left) = run.ended().await;
    assert_eq!(failure, Some(Failure::AgentDied { how: "its process is gone".to_owned() }));
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_behind_jump_hosts_share_one_connection_to_them() {
    let lab = Lab::new().await;
    let inner = start(lab.folder.path(), "inner", &lab.key, |_| {}).await;
    lab.know(&format!(
        "[web1]:{} {}\n[db1]:{} {}\n[db2]:{} {}",
        lab.server.address().port(),
        lab.server.public_line(),
        inner.address().port(),
        inner.public_line(),
        inner.address().port(),
        inner.public_line(),
    ));
    let behind = |name: &str| Host {
        jump: vec!["web1".to_owned()],
        work_dir: format!("~/{name}"),
        ..host(name, inner.address(), lab.folder.path())
    };
    let mut run = lab.fleet_of(vec![lab.host.clone(), behind("db1"), behind("db2")], &polite(), None).await;
    for id in [1, 2] {
        run.fleet.execute(Output::Connect { at: Place::Host(HostId(id)), attempt: 1 });
    }
    let (one, two) = (run.attached().await, run.attached().await);
    assert_ne!(one, two);
    assert_eq!(lab.server.commands(), Vec::<String>::new(), "nothing runs on the jump host");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_with_an_unknown_key_is_not_passed() {
    let lab = Lab::new().await;
    let inner = start(lab.folder.path(), "inner", &lab.key, |_| {}).await;
    lab.know(&format!("[db1]:{} {}", inner.address().port(), inner.public_line()));
    let behind = Host { jump: vec!["web1".to_owned()], ..host("db1", inner.address(), lab.folder.path()) };
    let mut run = lab.fleet_of(vec![behind, lab.host.clone()], &polite(), None).await;
    run.connect(1);
    let (failure, _) = run.ended().await;
    assert!(
        matches!(&failure, Some(Failure::Jump { jump, why }) if jump == "web1" && why.contains("unknown host key")),
        "{failure:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_missing_pieces_are_pushed_and_orders_overtake_them() {
    let lab = Lab::new().await;
    let layout = Layout::new(3 * (512 << 10) + 99, 512 << 10).unwrap();
    let payload: Vec<u8> = (0..layout.total()).map(|at| (at % 251) as u8).collect();
    std::fs::write(lab.path("payload"), &payload).unwrap();
    let source = PushSource { path: lab.path("payload"), layout };
    let agent = format!("{POLITE}cat >\"$HOME/heard\"\n");
    let mut run = lab.fleet_of(vec![lab.host.clone()], &agent, Some(source)).await;
    run.connect(1);
    run.attached().await;
    let mut have = Bitfield::empty(layout.piece_count());
    have.insert(PieceIndex(1));
    run.fleet.execute(Output::Push { at: HOST, attempt: 1, have });
    run.fleet.execute(Output::Order { at: HOST, attempt: 1, order: Order::Watch { on: true } });
    let missing = ByteCount(layout.total() - (512 << 10));
    run.wait(|input| matches!(input, Input::Pushed { bytes, .. } if *bytes == missing).then_some(())).await;
    run.disconnect(1);
    assert_eq!(run.ended().await, (None, Vec::new()));
    let mut codec = rookery::control::Codec::clean();
    codec.push(&std::fs::read(lab.home().join("heard")).unwrap());
    let (mut pieces, mut watched) = (Vec::new(), false);
    let mut numbers = Vec::new();
    while let Some((number, order)) = codec.poll::<Order>().unwrap() {
        numbers.push(number);
        match order {
            Order::Attach { seen: None } | Order::Leave => {}
            Order::Data { offset, bulk } => {
                assert_eq!(bulk, payload[offset as usize..][..bulk.len()]);
                pieces.push((offset, bulk.len()));
            }
            Order::Watch { on } => watched = on,
            other => panic!("{other:?}"),
        }
    }
    assert!(watched);
    assert_eq!(numbers, [0, 1, 2, 3, 0]);
    assert_eq!(pieces, [(0, 512 << 10), (2 * (512 << 10), (512 << 10) + 99)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_is_a_place_like_any_other() {
    let lab = Lab::new().await;
    let mut run = lab.fleet(&polite()).await;
    run.fleet.execute(Output::Connect { at: Place::Console, attempt: 1 });
    let work_dir = run.attached().await;
    assert_eq!(Path::new(&work_dir), lab.path("local"));
    let pid = run.pid().await;
    run.fleet.execute(Output::Disconnect { at: Place::Console, attempt: 1 });
    assert_eq!(run.ended().await, (None, Vec::new()));
    assert!(!is_running(pid));
    assert_eq!(lab.server.commands(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_is_finished_leaves_no_process() {
    let lab = Lab::new().await;
    let mut run = lab.fleet(&polite()).await;
    run.connect(1);
    run.attached().await;
    let pid = run.pid().await;
    run.fleet.finish(Duration::from_secs(20)).await;
    assert!(!is_running(pid));
}
