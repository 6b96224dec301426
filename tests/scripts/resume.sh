#!/bin/sh
# Kills a training of the real nano preset with -9 at a random step, goes on, and compares the weights 20 steps later with
# those of a run that was left alone.
#
# Usage: tests/scripts/resume.sh [STEP]
# STEP is where the run is killed, 21 to 39; by default it is drawn. The program is built first, episodes are made in a
# temporary folder, nothing else is touched. Takes a few minutes on two cores.
set -eu
cd "$(dirname "$0")/../.."

every=20
kill_at="${1:-$((every + 1 + $(od -An -N2 -tu2 /dev/urandom) % (every - 1)))}"
steps=$((kill_at + 20))
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/thinkjepa/target}"
export CARGO_TARGET_DIR
cargo build --locked --quiet
program="$CARGO_TARGET_DIR/debug/thinkjepa"

at=$(mktemp -d)
child=
trap '[ -z "$child" ] || kill -9 "$child" 2>/dev/null || true; rm -rf "$at"' EXIT
"$program" datagen --episodes 40 --out "$at/data" >/dev/null 2>&1

train() {
    exec "$program" train --stage 1 --preset nano --steps "$steps" --set train.checkpoint_every="$every" \
        --data "$at/data" --device cpu --run "$at/$1" --out "$at/$1-out" >"$at/$1.log" 2>&1
}
fail() {
    echo "$1" >&2
    cat "$at"/*.log >&2
    exit 1
}

echo "a run of $steps steps that is left alone"
(train whole) || fail "The run failed."

echo "the same run, killed after step $kill_at"
train killed &
child=$!
done_steps=0
while [ "$done_steps" -lt "$kill_at" ]; do
    kill -0 "$child" 2>/dev/null || fail "The run ended by itself after step $done_steps."
    sleep 0.05
    done_steps=$(cat "$at/killed/metrics.jsonl" 2>/dev/null | wc -l)
done
kill -9 "$child"
wait "$child" 2>/dev/null || true
child=
[ -d "$at/killed/checkpoint-$every" ] || fail "There is no checkpoint to go on from."
[ ! -d "$at/killed-out" ] || fail "It was over before it could be killed."

echo "the same run, gone on with from step $every"
(train killed) || fail "The run could not be gone on with."

whole=$(sha256sum <"$at/whole-out/model.safetensors")
killed=$(sha256sum <"$at/killed-out/model.safetensors")
echo "left alone: $whole"
echo "killed:     $killed"
[ "$whole" = "$killed" ] || fail "The weights after step $steps are others."
echo "the same weights after step $steps"
