#!/usr/bin/env python3
"""How many copies cross the borders of zones, and what that costs: real agents in network namespaces.

    ROOKERY_LAB=DIR ROOKERY_AGENT=FILE benches/zones.py [-n 16] [--zones 4] [--rate 40] [--mib 64] [--piece-kib 256]
                                                        [--reps 3] [--without] [--seeder-zone NAME]

Host 0 seeds, hosts 1 to n fetch, host i is in zone i modulo --zones; the seeder is in zone 0, in --seeder-zone, or with
`--seeder-zone ""` in none. --without runs the same with no zones told, counted alike. What each host sends is shaped by
netlab's tbf, and counted behind it by htb classes, one a zone it is sent to: these are bytes on the wire, heads of all
segments and what is no payload included, times 1448/1514.

Needs root, iproute2 and netlab.py in ROOKERY_LAB. Nothing leaves the namespaces, which are removed at the end.
"""
import argparse
import hashlib
import os
import re
import selectors
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.environ.get("ROOKERY_LAB", "."))
import netlab  # noqa: E402  (its place is given by the environment)

DEADLINE = 300
PORT = 6881


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def make_payload(folder, mib, piece):
    data = os.urandom(1 << 20) * mib
    data = b"".join(hashlib.sha256(b"%d" % i).digest() + data[i + 32:i + piece] for i in range(0, len(data), piece))
    path = os.path.join(folder, "payload")
    with open(path, "wb") as file:
        file.write(data)
    hashes = b"".join(hashlib.sha1(data[i:i + piece]).digest() for i in range(0, len(data), piece))
    info = {"length": len(data), "name": "payload", "piece length": piece, "pieces": hashes}
    announce = f"http://{netlab.SUBNET}.{netlab.TRACKER_OCTET}:6969/announce"
    torrent = os.path.join(folder, "payload.torrent")
    with open(torrent, "wb") as file:
        file.write(bencode({"announce": announce, "info": info}))
    return path, torrent, len(data), hashlib.sha256(data).hexdigest()


def count_by_zone(lab, zones_of):
    """Puts a class a zone behind each host's shaper."""
    limit = int(max(lab.rate * 1e6 / 8 * lab.queue_ms / 1000, 65536)) + 80000
    zones = sorted({zone for zone in zones_of if zone is not None})
    for host in range(lab.n):
        lines = ["qdisc add dev eth0 parent 1:1 handle 10: htb default 1"]
        for band in range(len(zones) + 1):
            lines += [f"class add dev eth0 parent 10: classid 10:{band + 1:x} htb rate 10gbit",
                      f"qdisc add dev eth0 parent 10:{band + 1:x} bfifo limit {limit}"]
        for other, zone in enumerate(zones_of):
            if zone is not None and zone != zones_of[host]:
                lines.append(f"filter add dev eth0 parent 10: protocol ip prio 1 u32 match ip dst {lab.ip(other)}/32 "
                             f"flowid 10:{zones.index(zone) + 2:x}")
        netlab.sh("tc", "-n", lab.ns(host), "-batch", "-", inp="\n".join(lines) + "\n")
    return zones


def imported(lab, zones):
    totals = [0] * len(zones)
    for host in range(lab.n):
        shown = netlab.sh("tc", "-n", lab.ns(host), "-s", "class", "show", "dev", "eth0")
        for band, sent in re.findall(r"class htb 10:(\w+) .*\n Sent (\d+) bytes", shown):
            if int(band, 16) >= 2:
                totals[int(band, 16) - 2] += int(sent)
    return [total * netlab.GOODPUT for total in totals]


def run(args, agent, folder, payload):
    path, torrent, length, digest = payload
    zones_of = [f"z{i % args.zones}" for i in range(args.n + 1)]
    if args.seeder_zone is not None:
        zones_of[0] = args.seeder_zone or None
    procs = []
    with netlab.Lab(args.n + 1, args.rate, prefix=f"rkz{os.getpid()}") as lab:
        zones = count_by_zone(lab, zones_of)

        def start(where, *words):
            argv = lab.exec_argv(where) + [agent, *words, "--json"]
            procs.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
            return procs[-1]

        def join(host, command, data, *more):
            zone = [] if args.without or zones_of[host] is None else ["--zone", zones_of[host]]
            return start(host, command, "--torrent", torrent, "--data", data, "--listen", f"{lab.ip(host)}:{PORT}",
                         *zone, *more)

        try:
            start("trk", "track", "--listen", f"{lab.ip('trk')}:6969").stdout.readline()
            join(0, "seed", path).stdout.readline()
            time.sleep(1)
            waiting = selectors.DefaultSelector()
            begun = time.monotonic()
            for host in range(1, args.n + 1):
                peer = join(host, "peer", os.path.join(folder, f"copy{host}"), "--seed-for", "10m")
                waiting.register(peer.stdout, selectors.EVENT_READ, host)
            done = {}
            while len(done) < args.n and time.monotonic() < begun + DEADLINE:
                for key, _ in waiting.select(1):
                    line = os.read(key.fileobj.fileno(), 1 << 16)
                    if b'"delivered"' in line and key.data not in done:
                        done[key.data] = time.monotonic() - begun
                    if not line:
                        waiting.unregister(key.fileobj)
            into = imported(lab, zones)
            sent = lab.tx_bytes(0) * netlab.GOODPUT
        finally:
            for proc in procs:
                proc.terminate()
            for proc in procs:
                proc.wait()
    for host in range(1, args.n + 1):
        with open(os.path.join(folder, f"copy{host}"), "rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == digest, f"copy of host {host} is wrong"
        os.remove(os.path.join(folder, f"copy{host}"))
    best = length / (args.rate * 1e6 / 8 * netlab.GOODPUT)
    return max(done.values()) / best, sent / length, [total / length for total in into]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=16)
    parser.add_argument("--zones", type=int, default=4)
    parser.add_argument("--rate", type=float, default=40)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--piece-kib", type=int, default=256)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--without", action="store_true")
    parser.add_argument("--seeder-zone")
    args = parser.parse_args()
    agent = shutil.which(os.environ.get("ROOKERY_AGENT", "rookery-agent"))
    folder = tempfile.mkdtemp(prefix="zones", dir="/dev/shm")
    ratios = []
    try:
        payload = make_payload(folder, args.mib, args.piece_kib << 10)
        for _ in range(args.reps):
            ratio, sent, into = run(args, agent, folder, payload)
            ratios.append(ratio)
            print(f"last host / T_opt {ratio:.3f}; the seeder sent {sent:.2f} F; into each zone",
                  " ".join(f"{copies:.2f}" for copies in into), "F", flush=True)
    finally:
        shutil.rmtree(folder)
    print(f"median {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
