# Sourced by what runs on a display: waits until the log of the program $window, $work/log, has a line.

said() {
    waited=0
    until grep -q "$1" "$work/log"; do
        waited=$((waited + 1))
        if [ $waited -gt 1200 ] || ! kill -0 $window 2>/dev/null; then
            cat "$work/log" >&2
            exit 1
        fi
        sleep 0.25
    done
}
