# make run          open the window with the demo; without a display, run the demo episode and write its plan and GIF
# make test         everything that must hold; .ci/run calls it
# make lint         clippy, warnings are errors
# make fmt          format the sources
# make bench        print measured times
# make nano         the nano checkpoint from nothing, in runs/nano/checkpoint, hours on two cores; each
#                   step goes on from where it was stopped
# make pictures     the pictures in the README, from real episodes in a window that nobody sees
# make window-plan  compare the plan of the window, on a display that nobody sees, with that of `thinkjepa plan`
# make check-cuda   type-check what is compiled with the feature `cuda` alone; needs no CUDA
#
# The first build compiles every dependency. Build output lies outside of the clone, so that a second
# clone compiles only this crate; one profile and one feature set serve run, test and bench.

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
export CARGO_TARGET_DIR ?= $(cache)/thinkjepa/target

# A Mac has its own window system and sets neither variable.
has_display := $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname)))

demo_task := stack the red block on the green block

.PHONY: run test lint fmt bench nano pictures window-plan check-cuda

ifneq ($(has_display),)
run:
	@.ci/setup run
	cargo run --locked
else
run:
	@.ci/setup build
	@echo "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set): running the demo episode without a window."
	@# 1: the task was not reached. The plan and the GIF are written all the same.
	cargo run --locked -- plan "$(demo_task)" --seed 7 --out plan.json --gif episode.gif || [ $$? -eq 1 ]
	@echo "Wrote plan.json and episode.gif."
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

thinkjepa := cargo run --locked --quiet --
made := runs/nano/checkpoint

nano:
	@.ci/setup build
	$(thinkjepa) datagen --episodes 3000 --out data/three-blocks
	$(thinkjepa) train --preset nano --stage 1 --run runs/nano/1 --data data/three-blocks --out $(made)
	$(thinkjepa) train --preset nano --stage 1b --run runs/nano/1b --data data/three-blocks --from $(made) --out $(made)
	$(thinkjepa) train --preset nano --stage vlm --run runs/nano/vlm --from $(made) --out $(made)
	$(thinkjepa) train --preset nano --stage 2 --run runs/nano/2 --from $(made) --out $(made)
	$(thinkjepa) eval --suite oracle --episodes 40 --seed 7001 --calibrate --checkpoint $(made)
	$(thinkjepa) eval --suite oracle --goals gpi --episodes 40 --seed 7001 --calibrate --checkpoint $(made)

pictures:
	@.ci/setup test
	@tests/scripts/pictures.sh

window-plan:
	@.ci/setup test
	@tests/scripts/window-plan.sh
