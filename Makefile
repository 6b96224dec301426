# make run    open the window with the demo; without a display, run the demo episode and write its plan and GIF
# make test   everything that must hold; .ci/run calls it
# make lint   clippy, warnings are errors
# make fmt    format the sources
# make bench  print measured times
# make check-cuda  type-check what is compiled with the feature `cuda` alone; needs no CUDA
#
# The first build takes about half an hour on two cores. Build output lies outside of the clone, so that a second
# clone compiles only this crate; one profile and one feature set serve run, test and bench.

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
export CARGO_TARGET_DIR ?= $(cache)/thinkjepa/target

# A Mac has its own window system and sets neither variable.
has_display := $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname)))

demo_task := stack the red block on the green block

.PHONY: run test lint fmt bench check-cuda

ifneq ($(has_display),)
run:
	@.ci/setup run
	cargo run --locked
else
run:
	@.ci/setup build
	@echo "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set): running the demo episode without a window."
	cargo run --locked -- plan "$(demo_task)" --seed 7 --out plan.json --gif episode.gif
endif

test:
	@.ci/setup test
	cargo fmt --check
	@.ci/tests

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

fmt:
	cargo fmt

# DOCS_RS keeps the build scripts from downloading LLVM, which only code generation needs.
check-cuda:
	@.ci/setup build
	DOCS_RS=1 cargo check --locked --features cuda

bench:
	@.ci/setup build
	cargo run --locked -- bench
