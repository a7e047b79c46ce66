#!/usr/bin/env python3
"""The least a gibibyte costs on the shaped links of the lab.

    ROOKERY_LAB=FOLDER benches/floor.py [HOSTS [MBIT [MIB]]]

Hosts in a ring: each sends a file in memory to the next by sendfile, and stores in memory what it receives. One connection
each, no protocol, no hashing. Run twice, the second time with a small file, so that what starting the processes costs can
be taken off. Says CPU seconds a GiB of all processes, as `swarmbench` counts them.
"""
import os
import resource
import shutil
import subprocess
import sys

RECEIVE = """
import socket, sys
connection, _ = socket.create_server((sys.argv[1], 7001)).accept()
room, left = bytearray(256 << 10), int(sys.argv[3])
with open(sys.argv[2], "wb", 0) as copy:
    while left and (length := connection.recv_into(room)):
        copy.write(memoryview(room)[:length])
        left -= length
sys.exit(left != 0)
"""
SEND = """
import os, socket, sys, time
deadline = time.monotonic() + 20
while True:
    try:
        connection = socket.create_connection((sys.argv[1], 7001), timeout=60)
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.1)
connection.settimeout(None)
payload = os.open(sys.argv[2], os.O_RDONLY)
length, at = os.fstat(payload).st_size, 0
while at < length:
    at += os.sendfile(connection.fileno(), payload, at, length - at)
connection.shutdown(socket.SHUT_WR)
connection.recv(1)
"""
FOLDER, PREFIX = "/dev/shm/rookery-floor", "floor"


def cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ring(hosts, mib):
    """CPU seconds of a ring's processes."""
    with open(f"{FOLDER}/payload", "wb") as payload:
        payload.write(os.urandom(mib << 20))
    before = cpu()

    def start(host, program, *arguments):
        namespace = ["ip", "netns", "exec", f"{PREFIX}-h{host}"]
        return subprocess.Popen([*namespace, sys.executable, "-S", "-c", program, *arguments])

    address = lambda host: f"10.77.0.{host % hosts + 1}"
    processes = [start(host, RECEIVE, address(host), f"{FOLDER}/{host}", str(mib << 20)) for host in range(hosts)]
    processes += [start(host, SEND, address(host + 1), f"{FOLDER}/payload") for host in range(hosts)]
    if any(process.wait(timeout=300) for process in processes):
        sys.exit("a host did not receive all of it")
    return cpu() - before


def main():
    hosts, rate, mib = (int(given) for given in (sys.argv[1:] + ["16", "40", "64"][len(sys.argv) - 1 :]))
    netlab = os.path.join(os.environ["ROOKERY_LAB"], "netlab")
    os.makedirs(FOLDER)
    try:
        subprocess.run([netlab, "up", "-n", str(hosts), "--rate", str(rate), "--prefix", PREFIX], check=True, stdout=subprocess.DEVNULL)
        large, small = ring(hosts, mib), ring(hosts, 1)
        gib = hosts * (mib - 1) / 1024
        print(f"{hosts} hosts, {rate} Mbit/s, {mib} MiB: {(large - small) / gib:.1f} CPU s/GiB")
    finally:
        subprocess.run([netlab, "down", "--prefix", PREFIX], stdout=subprocess.DEVNULL)
        shutil.rmtree(FOLDER)


if __name__ == "__main__":
    main()
