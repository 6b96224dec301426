#!/bin/sh
# Kills a training of the real nano preset with -9 at a random step, goes on, and compares the weights 20 steps later with
# those of a run that was left alone: stage by stage.
#
# Usage: tests/scripts/resume.sh [STAGE [STEP]]
# STAGE is 1, 1b, vlm, 2 or bc; by default all of them, one after the other. STEP is where the run is killed, 21 to 39; by
# default it is drawn. The program is built first, episodes are made in a temporary folder, nothing else is touched.
#
# All networks and batches are nano's own; stages after the first begin from checkpoints/nano. What goes before the steps in
# question is shortened: stage vlm learns facts alone for its first 16 steps, not 500, then text; stage 2 draws 200 scenes,
# not 5000, and trains the adapters from its step 10 on. So both train all that they ever train on both sides of where the
# run is killed. Takes a few minutes a stage on two cores.
set -eu
cd "$(dirname "$0")/../.."

every=20
stages="${1:-1 1b vlm 2 bc}"
for stage in $stages; do
    case "$stage" in
    1 | 1b | vlm | 2 | bc) ;;
    *)
        echo "There is no stage $stage. Choose 1, 1b, vlm, 2 or bc." >&2
        exit 2
        ;;
    esac
done
case "${2:-21}" in
2[1-9] | 3[0-9]) ;;
*)
    echo "A run can be killed at step 21 to 39, not $2." >&2
    exit 2
    ;;
esac
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/thinkjepa/target}"
export CARGO_TARGET_DIR
cargo build --locked --quiet
program="$CARGO_TARGET_DIR/debug/thinkjepa"

at=$(mktemp -d)
child=
trap '[ -z "$child" ] || kill -9 "$child" 2>/dev/null || true; rm -rf "$at"' EXIT
trap 'exit 130' INT TERM
"$program" datagen --episodes 40 --out "$at/data" >/dev/null 2>&1

# Runs the stage to its end in the folder $1.
train() {
    run="$at/$1"
    count="$steps"
    # Steps on facts come on top of --steps.
    [ "$stage" != vlm ] || count=$((steps - 16))
    set -- --steps "$count" --set train.checkpoint_every="$every" --run "$run" --out "$run-out"
    case "$stage" in
    1) set -- --preset nano --data "$at/data" "$@" ;;
    1b) set -- --from checkpoints/nano --data "$at/data" "$@" ;;
    vlm) set -- --from checkpoints/nano "$@" --set train.vlm.facts_steps=16 ;;
    2)
        set -- --from checkpoints/nano "$@" --set train.stage2.scenes_total=200 \
            --set train.stage2.lora_steps=$((steps - 10))
        ;;
    bc) set -- --from checkpoints/nano "$@" ;;
    esac
    exec "$program" train --stage "$stage" --device cpu "$@" >"$run.log" 2>&1
}
fail() {
    echo "$1" >&2
    tail -n 20 "$at"/*.log >&2
    exit 1
}

for stage in $stages; do
    kill_at="${2:-$((every + 1 + $(od -An -N2 -tu2 /dev/urandom) % (every - 1)))}"
    steps=$((kill_at + 20))
    whole_run="$stage-whole"
    killed_run="$stage-killed"

    echo "stage $stage: a run of $steps steps that is left alone"
    (train "$whole_run") || fail "The run failed."

    echo "stage $stage: the same run, killed after step $kill_at"
    train "$killed_run" &
    child=$!
    done_steps=0
    while [ "$done_steps" -lt "$kill_at" ]; do
        kill -0 "$child" 2>/dev/null || fail "The run ended by itself after step $done_steps."
        sleep 0.05
        done_steps=$(cat "$at/$killed_run/metrics.jsonl" 2>/dev/null | wc -l)
    done
    kill -9 "$child"
    wait "$child" 2>/dev/null || true
    child=
    [ -d "$at/$killed_run/checkpoint-$every" ] || fail "There is no checkpoint to go on from."
    [ ! -d "$at/$killed_run-out" ] || fail "It was over before it could be killed."

    echo "stage $stage: the same run, gone on with from step $every"
    (train "$killed_run") || fail "The run could not be gone on with."

    whole=$(sha256sum <"$at/$whole_run-out/model.safetensors")
    killed=$(sha256sum <"$at/$killed_run-out/model.safetensors")
    echo "stage $stage: left alone: $whole"
    echo "stage $stage: killed:     $killed"
    [ "$whole" = "$killed" ] || fail "Stage $stage: the weights after step $steps are others."
    echo "stage $stage: the same weights after step $steps"
done
