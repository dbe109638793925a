# Few targets, each of which first sees to what it needs (scripts/setup). `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# What setup had to install for this repository goes before what the machine has.
export PATH := $(CURDIR)/.tools/node/bin:$(CURDIR)/.tools/nextest/bin:$(PATH)

# In CI the lock files decide, and nothing is compiled for a next time that never comes.
ifdef CI
LOCKED := --locked
PROFILE := --profile ci
export CARGO_INCREMENTAL := 0
endif

STAGE := scripts/stage

.PHONY: help build demo test test-versions test-long generate check bench bench-check

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

build: ## the release binary with the pages embedded; says where it lies
	@scripts/setup build
	@cd web && npm run --silent build
	@echo "built $$(scripts/release-binary $(LOCKED))"

demo: ## build it and start it with a database worth watching; ARGS="--fresh", ARGS="--monitor <dsn>"
	@scripts/setup demo
	@$(MAKE) build
	@binary=$$(scripts/release-binary $(LOCKED)) && exec "$$binary" demo $(ARGS)

# nextest goes last: its summary is the last line. It runs the browser test too, which needs the pages.
test: ## all tests: doctests, the pages' unit tests, then everything that nextest runs
	@scripts/setup test
	@$(STAGE) "pages" npm --prefix web run --silent build
	@$(STAGE) "doctests" cargo test $(LOCKED) --workspace --doc --quiet
	@$(STAGE) "page tests" npm --prefix web run --silent test
	@$(STAGE) "building the tests" cargo nextest run $(LOCKED) $(PROFILE) --workspace --no-run
	@cargo nextest run $(LOCKED) $(PROFILE) --workspace

# One case of it is in `make test`. 9.4 to 9.6 are read where PGANALYTICS_PG_BINDIRS names them.
test-versions: ## every set on a primary and a standby of PostgreSQL 10 to 18 (from npm), for each kind of role; minutes
	@scripts/setup test --majors
	@VERSIONS_COMPLETE=1 cargo nextest run $(LOCKED) $(PROFILE) --workspace --run-ignored only -E 'package(collector) & test(versions::)'

# The same tests that `make test` runs for seconds: FAULTS_SECONDS=1800, CONFIG_ROUNDS=200 for longer ones.
test-long: ## faults at random moments and hundreds of configurations, for minutes: what was sent is stored once
	@scripts/setup test
	@FAULTS_SECONDS=$${FAULTS_SECONDS:-180} CONFIG_ROUNDS=$${CONFIG_ROUNDS:-40} cargo nextest run $(LOCKED) --profile long \
		-p pganalytics -E 'test(faults::) | test(reload::) | test(steering::what_is_pushed)'

generate: ## write what is generated: openapi.json, the pages' client, docs/reference
	@scripts/setup generate
	@cargo run --quiet $(LOCKED) -p pganalytics -- generate
	@npm --prefix web run --silent generate

check: ## format, lints, documentation, generated files, the pages' lints and types, licences
	@scripts/setup check
	@$(STAGE) "format" cargo fmt --all --check
	@$(STAGE) "lints" cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings
	@RUSTDOCFLAGS="-D warnings" $(STAGE) "documentation" cargo doc $(LOCKED) --workspace --no-deps --quiet
	@$(STAGE) "generated files" scripts/generated-files
	@$(STAGE) "page lints" npm --prefix web run --silent lint
	@$(STAGE) "page types" npm --prefix web run --silent types
	@if command -v cargo-deny >/dev/null; then \
		$(STAGE) "dependencies" cargo deny --log-level error check bans licenses sources; \
	else echo "==> dependencies: skipped, cargo-deny is not installed"; fi

# The collector's four tables (docs/cost.md), then ingest beside bare COPY and reads beside bare SQL, whose ratios go to
# bench/history.jsonl: the line that is committed is the accepted one (docs/performance.md). BENCH_SIZE=small is for CI.
HISTORY := BENCH_HISTORY=$(CURDIR)/bench/history.jsonl BENCH_COMMIT=$$(git rev-parse --short HEAD)

bench: ## what collecting, ingest and reads cost beside bare clients and bare SQL; appends ratios to bench/history.jsonl
	@scripts/setup bench
	@cargo bench --quiet $(LOCKED) -p collector --bench cycle
	@$(HISTORY) BENCH_MEMORY=record cargo bench --quiet $(LOCKED) -p ingest -p reads --bench ingest --bench reads

bench-check: ## measures again; fails where a ratio is more than 10 % worse than the last one in bench/history.jsonl
	@scripts/setup bench
	@$(HISTORY) BENCH_MEMORY=check cargo bench --quiet --no-fail-fast $(LOCKED) -p ingest -p reads --bench ingest --bench reads
