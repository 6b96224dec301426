#!/bin/sh
# What a window takes of a core while nothing happens: its processor time over half a minute, on a display that nobody sees
# (Linux). Prints a record for assets/records.
# Usage: tests/scripts/idle.sh [SECONDS]
. "$(dirname "$0")/program.sh"

secs=${1:-30}
cat >"$work/idle.sh" <<'IDLE'
program=$1 work=$2 secs=$3
XDG_CONFIG_HOME=$work RUST_LOG=warn,thinkjepa=info "$program" window --record "$work/recordings" 2>"$work/log" &
window=$!
. tests/scripts/said.sh
said "Computing on"
# What the start still does is over by then.
sleep 10
ticks() {
    # After the name in brackets, which may hold spaces: user and system time are the 12th and 13th field.
    sed 's/.*) //' "/proc/$window/stat" | awk '{ print $12 + $13 }'
}
before=$(ticks)
sleep "$secs"
after=$(ticks)
adapter=$(sed -n 's/: pictures come slowly\.$/./; s/.*The window is drawn \(in software \)\{0,1\}by \(.*\)\.$/\2/p' "$work/log" | head -n 1)
kill $window
wait $window 2>/dev/null || true
awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" -v secs="$secs" -v adapter="$adapter" 'BEGIN {
    printf "{\n  \"schema\": \"thinkjepa.idle/1\",\n  \"command\": \"tests/scripts/idle.sh %s\",\n", secs
    printf "  \"percent_of_a_core\": %.2f,\n  \"secs\": %s,\n  \"adapter\": \"%s\"\n}\n", 100 * ticks / hz / secs, secs, adapter
}'
IDLE
on_a_display sh "$work/idle.sh" "$program" "$work" "$secs"
