#!/bin/sh
# Makes the pictures of the README from a real episode with the shipped checkpoint: the window in the middle of a run, on
# a display that nobody sees, and the episode as a GIF.
# Usage: tests/scripts/pictures.sh [TASK] [SEED] [STEP]
. "$(dirname "$0")/program.sh"

task=${1:-stack the red block on the green block}
seed=${2:-7}
step=${3:-9}
to=assets/pictures
mkdir -p "$to"

# A task that was not reached ends with 1, and has pictures all the same.
may_fail() {
    "$@" || [ $? -eq 1 ]
}

# From the working folder, so that the window names no folder of this machine.
picture=$PWD/$to/window.png
cd "$work"
may_fail on_a_display "$program" window --record recordings --task "$task" --seed "$seed" --run --picture "$picture" \
    --picture-step "$step" --quit
cd - >/dev/null
may_fail "$program" plan "$task" --seed "$seed" --gif "$to/episode.gif" >"$work/said"

for picture in window.png:400000 episode.gif:1500000; do
    file=$to/${picture%:*}
    bytes=$(wc -c <"$file")
    echo "$file: $bytes bytes"
    if [ "$bytes" -gt "${picture#*:}" ]; then
        echo "$file is larger than ${picture#*:} bytes." >&2
        exit 1
    fi
done
