#!/usr/bin/env bash
# Flat CPU profiles of a seeder and a peer: 1 GiB over loopback, in memory. Needs perf (Debian: linux-perf).
#   benches/profile.sh [FUNCTIONS]
set -euo pipefail
cd "$(dirname "$0")/.."
functions=${1:-10}
target=$(rustc -vV | sed -n 's/^host: //p')
CARGO_PROFILE_AGENT_STRIP=none CARGO_PROFILE_AGENT_DEBUG=line-tables-only CARGO_ENCODED_RUSTFLAGS=-Ctarget-feature=+crt-static \
    cargo build --quiet --locked --no-default-features --features agent --bin rookery-agent --profile agent --target "$target" --target-dir target/profile
cargo build --quiet --locked --release --bin rookery
agent=$PWD/target/profile/$target/agent/rookery-agent rookery=$PWD/target/release/rookery

folder=$(mktemp -d /dev/shm/rookery-profile.XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
head -c 1G /dev/urandom > payload
"$rookery" torrent create --announce http://127.0.0.1:7999/announce --output payload.torrent payload > create.log
"$agent" track --listen 127.0.0.1:7999 2> track.log &
perf record -F 499 -o seed.data -- "$agent" seed --torrent payload.torrent --data payload --listen 127.0.0.1:7001 > seed.log 2>&1 &
seeder=$!
perf record -F 499 -o peer.data -- timeout 120 "$agent" peer --torrent payload.torrent --data copy --listen 127.0.0.1:7002 > peer.log 2>&1
cmp payload copy
pkill -TERM -P "$seeder" -x rookery-agent
wait "$seeder" || true
for side in seed peer; do
    echo "== $side"
    perf report -i $side.data --sort dso,symbol 2> report.log | awk -v top="$functions" '/^ *[0-9]/ && ++n <= top { print $1, $2, $3, $4 }'
done
