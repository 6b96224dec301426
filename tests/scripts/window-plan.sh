#!/bin/sh
# The window and `thinkjepa plan` make the same plan from the same seed, byte for byte. The window is opened on a display
# that nobody sees, and plans twice: by its own script, and, where xdotool is installed, by keys as a user types them.
# Usage: tests/scripts/window-plan.sh [TASK] [SEED] [CHECKPOINT]
. "$(dirname "$0")/program.sh"

task=${1:-stack the red block on the green block}
seed=${2:-7}
checkpoint=${3:-checkpoints/nano}

# A task that was not reached ends with 1, and is a plan all the same.
may_fail() {
    "$@" || [ $? -eq 1 ]
}

same() {
    cmp "$work/headless.json" "$1" || {
        echo "The window made another plan: $2." >&2
        exit 1
    }
    echo "The same plan, $(wc -c <"$1") bytes: $2."
}

may_fail "$program" plan "$task" --seed "$seed" --checkpoint "$checkpoint" --device cpu --out "$work/headless.json"

may_fail on_a_display "$program" window --record "$work/recordings" --task "$task" --seed "$seed" --checkpoint "$checkpoint" --device cpu \
    --run --export "$work/script.json" --quit
same "$work/script.json" "the window by its script"

if ! command -v xdotool >/dev/null 2>&1; then
    echo "xdotool is missing: nothing was typed."
    exit 0
fi
cat >"$work/typed.sh" <<'KEYS'
program=$1 work=$2 task=$3 seed=$4 checkpoint=$5
RUST_LOG=warn,thinkjepa=info "$program" window --record "$work/recordings" --seed "$seed" --checkpoint "$checkpoint" --device cpu 2>"$work/log" &
window=$!
. tests/scripts/said.sh
said "Computing on"
id=$(xdotool search --sync --onlyvisible --name "ThinkJEPA Studio" | head -n 1)
# Without a window manager nothing gives the focus away.
xdotool windowfocus --sync "$id"
sleep 1
xdotool key ctrl+l
sleep 0.5
xdotool type --delay 20 "$task"
sleep 0.5
xdotool key Return
said "eached after"
xdotool key ctrl+e
sleep 0.5
xdotool key ctrl+a
xdotool type --delay 20 "$work/typed.json"
sleep 0.5
xdotool key Return
said "Wrote $work/typed.json"
kill $window
wait $window 2>/dev/null || true
KEYS
on_a_display sh "$work/typed.sh" "$program" "$work" "$task" "$seed" "$checkpoint"
same "$work/typed.json" "the window by its keys"
