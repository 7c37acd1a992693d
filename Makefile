# Short names for what people type often. The program is `runner`; everything here only calls it.
#
# Legacy variables pass through: DATA_TAG RUNID START_TS_MS END_TS_MS CCXT_EXCHANGE SYMBOL TIMEFRAME
#   P     profiles,  e.g. make live-up P="-P replay"
#   ARGS  the rest,  e.g. make eqflat ARGS="-p tag=paper_local_check"
# `make` shows the exit code of `runner` in its last line ("Error 65") and itself ends with 2.

CARGO  := cargo
BUILD  := --release --locked
RUNNER := $(or $(CARGO_TARGET_DIR),target)/release/runner
# The variable, or else the file .env of the box, as runner itself has it.
OF_ENV := $(shell sed -n 's/^DATA_TAG=\([A-Za-z0-9._-]*\)[[:blank:]]*$$/\1/p' .env 2>/dev/null | tail -n 1)
TAG    := $(or $(DATA_TAG),$(OF_ENV),paper_local_check)
STATE  := data/state
PID    := $(STATE)/live-$(TAG).pid
OUT    := $(STATE)/live-$(TAG).out
RUN     = $(RUNNER) run jobs/$(1).toml $(P) $(ARGS)
# Whether the process of the pid file is a live loop of ours, and not a stranger with the same number.
IS_UP   = { [ -f $(PID) ] && tr '\0' ' ' 2>/dev/null < "/proc/$$(cat $(PID))/cmdline" | grep -q 'runner run jobs/live.toml'; } 2>/dev/null

.DEFAULT_GOAL := help
.PHONY: help build test fmt lint unit cuda-check cuda-link check reference demo bench docs image compose-test browser-test slurm-test calibrate dist dist-test dist-check \
        live-up live-logs live-down eqflat eq backtest tag

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

build: ## the program, target/release/runner
	@$(CARGO) build $(BUILD) --quiet

test: fmt lint unit check reference ## everything that must pass before a commit

fmt:
	$(CARGO) fmt --check

lint:
	$(CARGO) clippy $(BUILD) --all-targets -- -D warnings

unit:
	$(CARGO) test $(BUILD)

cuda-check: ## whether gpu-worker still compiles, where there is no CUDA: types only, nothing is linked
	CARGO=$(CARGO) tests/cuda/check.sh

cuda-link: ## gpu-worker linked with CUDA from PyPI (1.2 GB, a quarter of an hour) and run with broken drivers; needs no card
	CARGO=$(CARGO) tests/cuda/link.sh

check: build ## every manifest in jobs/, with what it extends, and every strategy
	$(RUNNER) check jobs strategies strategies/examples

reference: build
	$(RUNNER) reference | diff - JOBS.md || { echo "JOBS.md is out of date: make docs"; exit 1; }

docs: build ## JOBS.md, written from the types
	$(RUNNER) reference > JOBS.md.new && mv JOBS.md.new JOBS.md

demo: build ## live killed half-way, started again, proved equal to its replay
	$(RUNNER) run jobs/demo.toml $(P) $(ARGS)

image: build ## the container image mjolnir:local from the program that was built, for the user who calls this
	@mkdir -p target/image && strip --strip-debug -o target/image/runner $(RUNNER) && chmod 755 target/image/runner
	DOCKER_BUILDKIT=1 docker build --build-arg BINARY=prebuilt --build-arg BASE=$(or $(MJOLNIR_BASE),debian:bookworm-slim) \
		--build-arg UID=$$(id -u) --build-arg GID=$$(id -g) -t $(or $(MJOLNIR_IMAGE),mjolnir:local) .

compose-test: build ## the box in containers, run, killed and looked into; says `skipped` where no engine can run
	@tests/compose/run.sh $(RUNNER)

dist: ## the release files, in target/dist: a program for glibc 2.31 (a cold build, with zig from PyPI), tarball, .deb, SBOM, sums
	program=$$(ops/dist/build.sh | tail -n 1) && ops/dist/pack.sh "$$program" target/dist 2.31

dist-test: build ## the release files of the program that was built: packed twice, installed in an empty Debian, used, upgraded, removed
	@tests/dist/run.sh $(RUNNER)

dist-check: ## whether two folders make the same release, byte for byte; twice a cold build
	ops/dist/twice.sh

browser-test: build ## the pages of the service in Debian's chromium, with npm's playwright-core and axe-core; SHOTS=DIR keeps screenshots
	@tests/browser/run.sh $(RUNNER) $(SHOTS)

slurm-test: build ## sweeps on a Slurm of this machine, killed and filled, compared with one machine; says `skipped` where Slurm is not there
	@tests/slurm/run.sh $(RUNNER)

calibrate: ## how often sweeps are wrong: 100 random walks on both sides, 100 in a rising market, 100 planted edges
	MJOLNIR_SWEEP_SEEDS=100 $(CARGO) test --release --locked --test it sweep::calibrate -- --nocapture

bench: ## cost per bar of the engine, per row of a venue, and the program end to end (see benches/)
	$(CARGO) bench --locked

tag:
	@case "$(TAG)" in ''|[!A-Za-z0-9]*|*[!A-Za-z0-9._-]*) echo "DATA_TAG=$(TAG) is not a tag"; exit 78;; esac

live-up: tag build ## the paper loop of DATA_TAG in the background
	@if $(IS_UP); then echo "live $(TAG) is up already, pid $$(cat $(PID)): make live-down first"; exit 75; fi
	@mkdir -p $(STATE) && echo "== live-up $$(date -u +%Y-%m-%dT%H:%M:%SZ)" >> $(OUT)
	@setsid nohup $(call RUN,live) >> $(OUT) 2>&1 < /dev/null & \
	pid=$$!; echo $$pid > $(PID); sleep 1; \
	if $(IS_UP); then echo "live $(TAG) is up, pid $$pid, output in $(OUT)"; else \
		wait $$pid; code=$$?; rm -f $(PID); tail -n 12 $(OUT); echo "live $(TAG) ended at once, exit code $$code"; exit $$code; fi

live-logs: tag build ## its latest runs, and what it said last, with time and level; LOG_LINES=200 for more
	@if $(IS_UP); then echo "live $(TAG) is up, pid $$(cat $(PID))"; else echo "live $(TAG) is down"; fi
	@$(RUNNER) history live --last 3 || true
	@[ ! -f $(OUT) ] || tail -n $(or $(LOG_LINES),40) $(OUT)

live-down: tag ## ask it to finish its slot and leave, wait up to 30 s
	@if ! $(IS_UP); then echo "live $(TAG) is not up"; rm -f $(PID); exit 0; fi; \
	pid=$$(cat $(PID)); kill -TERM $$pid; \
	for i in $$(seq 300); do if $(IS_UP); then sleep 0.1; else break; fi; done; \
	if $(IS_UP); then echo "live $(TAG), pid $$pid, has not left after 30 s: look at $(OUT)"; exit 1; fi; \
	rm -f $(PID); tail -n 7 $(OUT); echo "live $(TAG) is down"

eqflat: build ## replay the LIVE window of DATA_TAG and compare
	@$(call RUN,eqflat)

eq: build ## compare the LIVE tag DATA_TAG with its replay RUNID
	@$(call RUN,equivalence)

backtest: build ## replay START_TS_MS..END_TS_MS under DATA_TAG and RUNID
	@$(call RUN,backtest)
