# Sourced by the scripts beside it: goes to the root of the checkout, finds the program (THINKJEPA names another one) and
# a display that nobody sees. Leaves $program, $work (a folder that is removed at the end) and the function
# `on_a_display`.

set -eu
cd "$(dirname "$0")/../.."

if [ -n "${THINKJEPA:-}" ]; then
    program=$THINKJEPA
else
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/thinkjepa/target}"
    cargo build --locked --quiet
    program=$CARGO_TARGET_DIR/debug/thinkjepa
fi
if ! command -v xvfb-run >/dev/null 2>&1; then
    echo "xvfb-run is missing: run  .ci/setup test  first." >&2
    exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runs a command on a display of 1600 x 1000 points.
on_a_display() {
    xvfb-run -a -s "-screen 0 1600x1000x24" "$@"
}
