#!/usr/bin/python3
"""libtorrent for the tests: makes a torrent, or takes part in a swarm until stdin ends.

    create PATH --out FILE --announce URL [--v1] [--private] [--pads]
    join TORRENT FOLDER --listen IP:PORT [--peer IP:PORT] [--seed] [--super-seed] [--encrypt]

`join` says on stdout, a line each: `listening PORT`, `finished`, `peer IP:PORT CLIENT`.
"""
import argparse
import os
import select
import sys

import libtorrent as lt

DEFAULT_PLUGINS = 1  # ut_metadata, ut_pex and smart_ban


def create(a):
    files = lt.file_storage()
    lt.add_files(files, a.path)
    kind = lt.create_torrent
    how = (kind.v1_only if a.v1 else 0) | (kind.canonical_files if a.pads else 0)
    torrent = lt.create_torrent(files, a.piece_length, how)
    torrent.add_tracker(a.announce)
    torrent.set_priv(a.private)
    lt.set_piece_hashes(torrent, os.path.dirname(a.path))
    with open(a.out, "wb") as out:
        out.write(lt.bencode(torrent.generate()))


def settings(a):
    """Everything off that leaves this machine, and no patience: a test waits for every second."""
    encryption = lt.enc_policy.pe_forced if a.encrypt else lt.enc_policy.pe_disabled
    return {
        "listen_interfaces": a.listen,
        "outgoing_interfaces": a.listen.rsplit(":", 1)[0].strip("[]"),
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "in_enc_policy": encryption, "out_enc_policy": encryption,
        "allow_multiple_connections_per_ip": True, "connection_speed": 100, "torrent_connect_boost": 100,
        "min_announce_interval": 1, "min_reconnect_time": 1, "unchoke_interval": 1, "tick_interval": 100,
        "alert_mask": lt.alert.category_t.all_categories,
    }


def join(a):
    session = lt.session(settings(a), DEFAULT_PLUGINS)
    what = lt.add_torrent_params()
    what.ti = lt.torrent_info(a.torrent)
    what.save_path = a.folder
    flags = lt.torrent_flags
    what.flags &= ~(flags.auto_managed | flags.paused)
    what.flags |= flags.seed_mode if a.seed else 0
    what.flags |= flags.super_seeding if a.super_seed else 0
    handle = session.add_torrent(what)
    for address in a.peer:
        ip, port = address.rsplit(":", 1)
        handle.connect_peer((ip.strip("[]"), int(port)))
    known = set()
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        for alert in session.pop_alerts():
            tell(alert)
        for peer in handle.get_peer_info():
            if peer.ip not in known and not peer.flags & (peer.connecting | peer.handshake):
                known.add(peer.ip)
                say("peer", "%s:%d" % peer.ip, peer.client.decode("utf-8", "replace"))


def tell(alert):
    if isinstance(alert, lt.listen_succeeded_alert) and alert.socket_type == lt.socket_type_t.tcp:
        say("listening", alert.port)
    elif isinstance(alert, lt.torrent_finished_alert):
        say("finished")
    elif isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert)):
        say("error", alert)


def say(*words):
    print(*words, flush=True)


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("create")
    make.set_defaults(run=create)
    make.add_argument("path")
    make.add_argument("--out", required=True)
    make.add_argument("--announce", required=True)
    make.add_argument("--piece-length", type=int, default=65536)
    for flag in ("v1", "private", "pads"):
        make.add_argument("--" + flag, action="store_true")
    part = commands.add_parser("join")
    part.set_defaults(run=join)
    part.add_argument("torrent")
    part.add_argument("folder")
    part.add_argument("--listen", required=True)
    part.add_argument("--peer", action="append", default=[])
    for flag in ("seed", "super-seed", "encrypt"):
        part.add_argument("--" + flag, action="store_true")
    a = parser.parse_args()
    a.run(a)


main()
