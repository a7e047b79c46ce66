#!/usr/bin/env python3
"""What a fleet over SSH costs: Rookery beside clush, pdsh and Ansible, held connections, and whole runs, on real sshd.

    benches/fleet.py fanout   [--hosts 500] [--kex stock|curve] [--only rookery,clush,pdsh,ansible]
    benches/fleet.py hold     [--hosts 2000] [--seconds 20]
    benches/fleet.py check    [--hosts 500]
    benches/fleet.py run      [--hosts 200] [--mib 4]
    benches/fleet.py rehearse [SCENARIO]               # the swarm's simulator
    benches/fleet.py console  [SCENARIO] [--seconds 150]   # rollout and console over a played fleet, drawn at 200x60

One sshd in a network namespace of its own listens on every address of 127.0.0.0/8: each is a host, with folders of its own.
Processor time is read from two cgroups (v1, cpuacct), one for the client with all it starts, one for sshd with all that
runs on the hosts. `--kex curve` has the others' ssh use curve25519, as Rookery does, instead of the post-quantum exchange
that stock OpenSSH 9.2 begins with.

Needs root, iproute2, openssh-server, `cargo build --release --bin rookery --bench fanout`, and for the comparison Debian's
clustershell and pdsh and PyPI's ansible-core (--ansible says where). Nothing leaves the namespace, which is removed at the end.
"""
import argparse
import glob
import fcntl
import json
import os
import pty
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPACE = f"rkfleet{os.getpid()}"
CGROUP = "/sys/fs/cgroup/cpuacct"
DEADLINE = 170
FANOUT = 64


class Cgroup:
    """Processor time of everything that is started in it."""

    def __init__(self, name):
        self.path = f"{CGROUP}/{SPACE}.{name}"
        os.mkdir(self.path)

    def enter(self):
        with open(f"{self.path}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))

    def seconds(self):
        with open(f"{self.path}/cpuacct.usage") as file:
            return int(file.read()) / 1e9

    def remove(self):
        for _ in range(50):
            try:
                return os.rmdir(self.path)
            except OSError:
                time.sleep(0.1)


class Lab:
    """Hosts that are addresses of one sshd."""

    def __init__(self, count):
        self.folder = tempfile.mkdtemp(prefix="rkfleet")
        os.chmod(self.folder, 0o755)
        self.hosts = [f"127.0.{1 + i // 250}.{1 + i % 250}" for i in range(count)]
        self.client, self.server = Cgroup("client"), Cgroup("server")
        subprocess.run(["ip", "netns", "add", SPACE], check=True)
        subprocess.run(["ip", "-n", SPACE, "link", "set", "lo", "up"], check=True)
        os.makedirs("/run/sshd", exist_ok=True)
        for key in ("id", "hostkey"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(key)], check=True)
        self.write("sshd_config", (
            f"ListenAddress 0.0.0.0:22\nHostKey {self.path('hostkey')}\nPidFile none\n"
            f"AuthorizedKeysFile {self.path('id.pub')}\nStrictModes no\nUsePAM no\nUseDNS no\nPrintMotd no\n"
            "PasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 3000:30:4000\nLogLevel ERROR\n"
            # What this machine's own login shells begin with is not what is measured.
            f"SetEnv HOME={self.folder}\n"))
        key = open(self.path("hostkey.pub")).read().strip()
        self.write("known_hosts", f"127.0.* {key}\n")
        self.write("hosts", "\n".join(self.hosts) + "\n")
        self.write("inventory.toml", self.inventory())
        self.sshd = self.start([shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", self.path("sshd_config")],
                               self.server, stderr=open(self.path("sshd.log"), "w"))
        time.sleep(0.5)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def inventory(self):
        text = (f"version = 1\n[defaults]\nuser = \"root\"\nidentity = [\"{self.path('id')}\"]\n"
                f"known_hosts = [\"{self.path('known_hosts')}\"]\n[swarm]\nfanout = {FANOUT}\n"
                f"[group.all]\nhosts = {json.dumps(self.hosts)}\n")
        for number, host in enumerate(self.hosts):
            home = self.path(f"h{number}")
            text += f"[host.\"{host}\"]\nto = \"{home}/releases\"\nwork_dir = \"{home}/work\"\n"
        return text

    def start(self, command, group, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder, "USER": "root", "LC_ALL": "C.UTF-8"}
        environment.update(options.pop("env", {}))
        return subprocess.Popen(["ip", "netns", "exec", SPACE, *command], preexec_fn=group.enter, env=environment,
                                cwd=self.folder, **options)

    def measure(self, command, **options):
        """Runs it; returns (wall, client cpu, server cpu, stdout, exit code)."""
        before = (time.monotonic(), self.client.seconds(), self.server.seconds())
        process = self.start(command, self.client, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        out, _ = process.communicate(timeout=DEADLINE)
        after = (time.monotonic(), self.client.seconds(), self.server.seconds())
        return (*(now - then for now, then in zip(after, before)), out, process.returncode)

    def close(self):
        self.sshd.terminate()
        self.sshd.wait()
        for group in (self.client, self.server):
            try:
                for pid in open(f"{group.path}/cgroup.procs").read().split():
                    os.kill(int(pid), 9)
            except (OSError, ProcessLookupError):
                pass
            group.remove()
        subprocess.run(["ip", "netns", "del", SPACE])
        shutil.rmtree(self.folder, ignore_errors=True)


def binary(args, name):
    if name == "rookery":
        return args.rookery or os.path.join(ROOT, "target/release/rookery")
    found = [path for path in glob.glob(os.path.join(ROOT, "target/release/deps/fanout-*")) if os.access(path, os.X_OK)]
    return args.bench or max(found, key=os.path.getmtime)


def fanout(args, lab):
    """`true` on every host, by each tool with the same fan-out."""
    ssh = ["-i", lab.path("id"), "-o", f"UserKnownHostsFile={lab.path('known_hosts')}", "-o", "BatchMode=yes"]
    if args.kex == "curve":
        ssh += ["-o", "KexAlgorithms=curve25519-sha256"]
    plain = " ".join(ssh)
    ansible = {"ANSIBLE_HOST_KEY_CHECKING": "True", "ANSIBLE_SSH_COMMON_ARGS": plain, "ANSIBLE_HOME": lab.path("ansible"),
               "ANSIBLE_PYTHON_INTERPRETER": "auto_silent", "ANSIBLE_DEPRECATION_WARNINGS": "False"}
    tools = {
        "rookery": ([binary(args, "fanout"), lab.path("inventory.toml"), str(FANOUT)], {}),
        "clush": (["clush", "-f", str(FANOUT), "-o", plain, "-w", ",".join(lab.hosts), "true"], {}),
        "pdsh": (["pdsh", "-R", "ssh", "-f", str(FANOUT), "-w", f"^{lab.path('hosts')}", "true"],
                 {"PDSH_SSH_ARGS_APPEND": plain}),
        "ansible": ([args.ansible, "all", "-i", lab.path("hosts"), "-f", str(FANOUT), "-m", "raw", "-a", "true"], ansible),
    }
    print(f"`true` on {len(lab.hosts)} hosts, fan-out {FANOUT}, key exchange: {args.kex}")
    print(f"{'tool':<10} {'wall s':>8} {'client cpu s':>13} {'ms a host':>10} {'sshd cpu s':>11}  exit")
    for name in args.only.split(","):
        command, env = tools[name]
        wall, client, server, out, code = lab.measure(command, env=env)
        print(f"{name:<10} {wall:>8.2f} {client:>13.2f} {1e3 * client / len(lab.hosts):>10.2f} {server:>11.2f}  {code}",
              flush=True)
        if code != 0 or name == "rookery":
            print("    " + "\n    ".join(out.strip().splitlines()[-3:]))


def hold(args, lab):
    """Connections that are made and held; what they take is the difference to a quarter of them."""
    few = lab.path("few.toml")
    quarter = len(lab.hosts) // 4
    text = open(lab.path("inventory.toml")).read()
    lab.write("few.toml", text.replace(json.dumps(lab.hosts), json.dumps(lab.hosts[:quarter])).split("[host.")[0])
    results = []
    for inventory, seconds in ((few, 1), (lab.path("inventory.toml"), args.seconds)):
        wall, client, _, out, code = lab.measure([binary(args, "fanout"), inventory, str(FANOUT), str(seconds)])
        print(out.strip(), f"(exit {code}, {wall:.1f} s, client cpu {client:.2f} s)", sep="\n", flush=True)
        fields = [dict(part.rsplit(" ", 1) for part in line.replace(" s,", ",").rstrip().split(", ")[1:] if " " in part)
                  for line in out.strip().splitlines()]
        results.append(fields)
    rss = [int(fields[-1]["rss_kib"]) for fields in results]
    done, held = results[1][-2], results[1][-1]
    cpu = [sum(float(fields[name].split()[0]) for name in ("cpu_user", "cpu_system")) for fields in (done, held)]
    print(f"memory a held connection: {(rss[1] - rss[0]) / (len(lab.hosts) - quarter):.1f} KiB; "
          f"cpu to make one: {1e3 * cpu[0] / len(lab.hosts):.2f} ms; "
          f"to hold one: {1e6 * (cpu[1] - cpu[0]) / len(lab.hosts) / args.seconds:.1f} us a second")


def check(args, lab):
    """`rookery check` of the whole fleet."""
    for number in range(len(lab.hosts)):
        os.makedirs(lab.path(f"h{number}/releases"))
    wall, client, server, out, code = lab.measure([binary(args, "rookery"), "check", "-i", lab.path("inventory.toml")])
    print(out.strip())
    print(f"exit {code}; {wall:.2f} s, client cpu {client:.2f} s ({1e3 * client / len(lab.hosts):.2f} ms a host), "
          f"hosts' cpu {server:.2f} s")


def run(args, lab):
    """Two whole runs; the second finds the agent on every host."""
    for number in range(len(lab.hosts)):
        os.makedirs(lab.path(f"h{number}/releases"))
    os.makedirs(lab.path("site"))
    with open(lab.path("site/data"), "wb") as file:
        file.write(os.urandom(args.mib << 20))
    baseline = lab.measure([binary(args, "fanout"), lab.path("inventory.toml"), str(FANOUT)])
    print(f"`true` on {len(lab.hosts)} hosts: {baseline[0]:.2f} s, sshd cpu {baseline[2]:.2f} s")
    agents = {}
    for tag in ("v1", "v2"):
        result = follow(lab, [binary(args, "rookery"), "run", lab.path("site"), "--tag", tag, "--json", "--yes",
                              "-i", lab.path("inventory.toml"), *args.extra])
        before, agents = agents, {path: os.stat(path).st_ino for path in
                                  glob.glob(lab.path("h*/work/agents/*/rookery-agent"))}
        again = sum(before.get(path) == inode for path, inode in agents.items())
        print(f"{tag}: {json.dumps(result)}; agents that were there before and were not replaced: {again}", flush=True)


def follow(lab, command):
    """Runs it, and says when which part was over."""
    began, cpu = time.monotonic(), (lab.client.seconds(), lab.server.seconds())
    process = lab.start(command, lab.client, stdout=subprocess.PIPE, stderr=open(lab.path("stderr"), "w"), text=True)
    killer = threading.Timer(DEADLINE, process.kill)
    killer.start()
    first, end = {}, {}
    for line in process.stdout:
        event, at = json.loads(line), time.monotonic() - began
        if event["event"] == "host.state":
            state = "fetching" if event["state"] in ("verifying", "done") else event["state"]
            first.setdefault(state, {}).setdefault(event["host"], at)
        elif event["event"] == "run.start":
            first["packaged"] = {"": at}
        elif event["event"] == "run.end":
            end = {"outcome": event["outcome"], "counts": event["counts"]}
    code = process.wait()
    killer.cancel()
    last = {state: round(max(hosts.values()), 2) for state, hosts in first.items() if hosts}
    return {"exit": code, "last_host_s": last, "wall_s": round(time.monotonic() - began, 2), **end,
            "client_cpu_s": round(lab.client.seconds() - cpu[0], 2), "hosts_cpu_s": round(lab.server.seconds() - cpu[1], 2)}


def rehearse(args):
    scenario = args.scenario or os.path.join(ROOT, "tests/scenarios/ten-thousand.toml")
    began = time.monotonic()
    subprocess.run([binary(args, "rookery"), "rehearse", scenario, "--quiet"], check=True, timeout=580)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"wall {time.monotonic() - began:.1f} s, cpu {used.ru_utime + used.ru_stime:.1f} s, peak {used.ru_maxrss // 1024} MiB")


def console(args):
    """The console on a terminal of 200x60 that reads all it is sent; processor time and bytes by windows of ten seconds, and memory."""
    scenario = args.scenario or os.path.join(ROOT, "tests/scenarios/ten-thousand.toml")
    home = tempfile.mkdtemp(prefix="rkconsole")
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        os.execve(binary(args, "rookery"), ["rookery", "rehearse", scenario, *args.extra], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
    began, sent, last, windows, rates, peak = time.monotonic(), 0, b"", [], [], 0
    seen = (began, 0.0, 0)
    try:
        while time.monotonic() - began < args.seconds:
            if select.select([terminal], [], [], 0.2)[0]:
                read = os.read(terminal, 1 << 16)
                last = (last + read)[-20000:]
                sent += len(read)
            now = time.monotonic()
            if now - seen[0] >= 10:
                fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
                cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                status = open(f"/proc/{pid}/status").read()
                peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
                windows.append((cpu - seen[1]) / (now - seen[0]))
                rates.append((sent - seen[2]) / (now - seen[0]) / 1000)
                seen = (now, cpu, sent)
                told = f"{100 * windows[-1]:5.1f} % of a core, {rates[-1]:6.2f} KB/s, {peak} MiB at most"
                print(f"{now - began:6.1f} s: {told}", flush=True)
    except OSError:
        pass  # It has ended, and its terminal with it.
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        shutil.rmtree(home, ignore_errors=True)
    if args.show:
        print(last.decode(errors="replace"))
    cpu = f"busiest {100 * max(windows):.1f} % of a core, on average {100 * sum(windows) / len(windows):.1f} %"
    print(f"{cpu}; most {max(rates):.1f} KB/s; {peak} MiB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fanout", "hold", "check", "run", "rehearse", "console"])
    parser.add_argument("scenario", nargs="?")
    parser.add_argument("--hosts", type=int)
    parser.add_argument("--kex", choices=["stock", "curve"], default="stock")
    parser.add_argument("--only", default="rookery,clush,pdsh,ansible")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--mib", type=int, default=4)
    parser.add_argument("--ansible", default="ansible")
    parser.add_argument("--rookery")
    parser.add_argument("--bench")
    parser.add_argument("--extra", nargs=argparse.REMAINDER, default=[])
    args = parser.parse_args()
    args.seconds = args.seconds or {"console": 150}.get(args.what, 20)
    if args.what in ("rehearse", "console"):
        return {"rehearse": rehearse, "console": console}[args.what](args)
    lab = Lab(args.hosts or {"fanout": 500, "hold": 2000, "check": 500, "run": 200}[args.what])
    try:
        {"fanout": fanout, "hold": hold, "check": check, "run": run}[args.what](args, lab)
    finally:
        lab.close()


if __name__ == "__main__":
    sys.exit(main())
