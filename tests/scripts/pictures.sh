#!/bin/sh
# Makes the pictures of the README from real episodes with the shipped checkpoint, on a display that nobody sees: the window
# in the middle of a run, the episode as a GIF, two steps of an episode that fails, opened again, and a training.
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

# The README tells what is seen in these.
failing="put red on the purple pad, then pick up blue"
may_fail "$program" plan "$failing" --seed 21 --record "$work/failing.tjrec" >"$work/said"
for at in 46 64; do
    picture=$PWD/$to/failure-$at.png
    cd "$work"
    may_fail on_a_display "$program" window --record recordings --task "$failing" --seed 21 --recording failing.tjrec \
        --picture "$picture" --picture-step "$at" --picture-pane latent --quit
    cd - >/dev/null
done

# The first steps of a training of the language model, with its curves and its samples.
picture=$PWD/$to/training.png
cd "$work"
"$program" train --stage vlm --preset nano --steps 60 --set train.vlm.facts_steps=30 --set train.vlm.warmup_steps=10 \
    --set train.samples_every=15 --run runs/first >"$work/said"
on_a_display "$program" window --record recordings --watch runs/first --picture "$picture" --picture-pane metrics --quit
cd - >/dev/null

for picture in window.png:400000 episode.gif:1500000 failure-46.png:400000 failure-64.png:400000 training.png:400000; do
    file=$to/${picture%:*}
    bytes=$(wc -c <"$file")
    echo "$file: $bytes bytes"
    if [ "$bytes" -gt "${picture#*:}" ]; then
        echo "$file is larger than ${picture#*:} bytes." >&2
        exit 1
    fi
done
