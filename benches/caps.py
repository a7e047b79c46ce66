#!/usr/bin/env python3
"""How well an agent's rate caps hold on loopback, and how soon a new one does.

    ROOKERY_AGENT=FILE benches/caps.py [up] [down]

An agent under `serve` is told caps one after the other by Order::Limits, while a peer in this process takes or gives as
fast as it can and notes when bytes passed its socket. Said of each cap: the least and most of any second that begins a
second after the order or later, and when the last second began that was off by more than 5 % and a block.
"""
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PIECE, BLOCK, PIECES = 4 << 20, 16 << 10, 512
CAPS = [(1_000_000, 6), (10_000_000, 6), (100_000, 8), (0, 0.3), (1_000_000, 6), (333_333, 6), (0, 0.3), (10_000_000, 5)]


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


class Agent:
    def __init__(self, folder):
        self.folder = folder
        program = shutil.which(os.environ.get("ROOKERY_AGENT", "rookery-agent"))
        of = ["caps/h", "--work-dir", f"{folder}/work"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.server = subprocess.Popen([program, "serve", *of], **quiet)
        deadline = time.monotonic() + 10
        while not os.path.exists(f"{folder}/work/runs/caps/h/socket"):
            if time.monotonic() > deadline:
                sys.exit("the agent does not begin")
            time.sleep(0.01)
        self.process = subprocess.Popen([program, "attach", *of], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said = -1
        self.process.stdout.readline()
        self.tell({"order": "attach", "seen": None})
        minutes = {"secs": 600, "nanos": 0}
        self.tell({"order": "hello", "protocol": 3, "run": "caps", "host": "h", "destination": f"{folder}/releases",
                   "holder": {"operator": "caps", "from": "here", "since": "now", "why": "a measurement"},
                   "lease": minutes, "deadline": minutes})

    def tell(self, order, bulk=b""):
        text = json.dumps(order).encode()
        self.said += 1
        self.process.stdin.write(struct.pack(">IIQ", len(text), len(bulk), self.said) + text + bulk)
        self.process.stdin.flush()

    def hear(self):
        text, bulk, _ = struct.unpack(">IIQ", self.process.stdout.read(16))
        status = json.loads(self.process.stdout.read(text))
        self.process.stdout.read(bulk)
        return status

    def end(self):
        for process in (self.process, self.server):
            process.kill()
            process.wait()
        # What serves is a process apart, which would end when its lease does.
        subprocess.run(["pkill", "-KILL", "-f", f"serve caps/h --work-dir {self.folder}/work"], check=False)

    def port(self):
        while (status := self.hear())["status"] != "serving":
            if status["status"] == "failed":
                sys.exit(f"the agent failed: {status}")
        threading.Thread(target=self.drain, daemon=True).start()
        return status["port"]

    def drain(self):
        while self.process.stdout.read(4096):
            pass


def exactly(stream, length):
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def message(kind, body=b""):
    return struct.pack(">IB", 1 + len(body), kind) + body


def until_closed(work, *of):
    try:
        work(*of)
    except (EOFError, OSError):
        pass


def take(sock, stream, passed):
    """Asks for block after block, 256 at once."""
    blocks = ((piece, begin) for _ in range(64) for piece in range(PIECES) for begin in range(0, PIECE, BLOCK))
    ask = lambda: sock.sendall(message(6, struct.pack(">III", *next(blocks), BLOCK)))
    # Who has next to nothing would be shown one piece after the other.
    sock.sendall(message(5, b"\x7f" + b"\xff" * (PIECES // 8 - 1)) + message(2))
    begun = False
    while True:
        length = struct.unpack(">I", exactly(stream, 4))[0]
        kind = exactly(stream, 1)[0] if length else None
        if kind == 7:
            exactly(stream, 8)
            exactly(stream, length - 9)
            passed.append(time.monotonic())
            ask()
        elif length:
            exactly(stream, length - 1)
            if kind == 1 and not begun:
                begun = True
                for _ in range(256):
                    ask()


def give(sock, stream, passed):
    """Sends what is asked for at once."""
    zeros = bytes(BLOCK)
    sock.sendall(message(5, b"\xff" * (PIECES // 8)) + message(1))
    while True:
        length = struct.unpack(">I", exactly(stream, 4))[0]
        body = exactly(stream, length)
        if body[:1] == b"\x06":
            sock.sendall(struct.pack(">IB", 9 + BLOCK, 7) + body[1:9] + zeros)
            passed.append(time.monotonic())


def measure(way):
    folder = tempfile.mkdtemp(prefix="caps", dir="/dev/shm")
    path = f"{folder}/payload"
    with open(path, "wb") as file:
        file.truncate(PIECE * PIECES)
    hashes = hashlib.sha1(bytes(PIECE)).digest() * PIECES
    info = {"length": PIECE * PIECES, "name": "payload", "piece length": PIECE, "pieces": hashes}
    info_hash = hashlib.sha1(bencode(info)).digest()
    digest = "00" * 32
    agent = Agent(folder)
    rate = lambda cap: {"max_upload": cap if way == "up" else 0, "max_download": cap if way == "down" else 0}
    try:
        agent.tell({"order": "serve", "role": {"seeder": {"file": path}} if way == "up" else "peer", "tag": "v1",
                    "payload": {"format": "file", "sha256": digest, "content_sha256": digest, "unpacked_bytes": 0,
                                "unpacked_entries": 1, "mode": 420},
                    "deliver": False, "bind": "127.0.0.1", "ports": {"first": 0, "last": 0}, "tracker": None,
                    "peers": [], "allow": ["127.0.0.1"], "zone": None, **rate(CAPS[0][0])}, bencode({"info": info}))
        sock = socket.create_connection(("127.0.0.1", agent.port()))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(b"\x13BitTorrent protocol" + bytes(8) + info_hash + b"-XX0000-capscapscaps")
        stream = sock.makefile("rb", buffering=1 << 16)
        exactly(stream, 68)
        passed = []
        work = take if way == "up" else give
        threading.Thread(target=until_closed, args=(work, sock, stream, passed), daemon=True).start()
        for cap, span in CAPS:
            agent.tell({"order": "limits", **rate(cap)})
            begun = time.monotonic()
            time.sleep(span)
            report(way, cap, [at - begun for at in list(passed) if at >= begun], span)
    finally:
        agent.end()
        shutil.rmtree(folder)


def report(way, cap, passed, span):
    if not cap:
        return print(f"{way:4} no cap           {len(passed) * BLOCK / span / 1e6:8.1f} MB/s", flush=True)
    seconds, first = [], 0
    step = 0.01
    for start in range(int((span - 1) / step)):
        at = start * step
        seconds.append((at, sum(at <= other < at + 1 for other in passed) * BLOCK))
    late = [count for at, count in seconds if at >= 1]
    off = [at for at, count in seconds if abs(count - cap) > cap / 20 + BLOCK]
    print(f"{way:4} {cap / 1e6:7.3f} MB/s: any second {min(late) / cap:.3f} to {max(late) / cap:.3f} of it, "
          f"over all {sum(at >= 1 for at in passed) * BLOCK / (span - 1) / cap:.3f}; "
          f"off until {max(off) + 0.01 if off else 0:.2f} s after the order", flush=True)


if __name__ == "__main__":
    for which in sys.argv[1:] or ["up", "down"]:
        measure(which)
