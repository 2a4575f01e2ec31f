# What one types. Everything a target needs it installs itself, below target/ and node_modules/;
# a tool that is missing and not needed is named and left out.

SHELL := /bin/sh
.SUFFIXES:
.DELETE_ON_ERROR:
# The order of a list of targets is its meaning: check before test.
.NOTPARALLEL:
.DEFAULT_GOAL := help

# `make run ARGS="--listen 127.0.0.1:4100"` passes options to `goodgate serve`.
ARGS ?=
# `make run LOCAL_MODEL=0` leaves the real model out.
LOCAL_MODEL ?= 1
# `make test PYTEST_ARGS="-k anthropic"` narrows the end-to-end tests.
PYTEST_ARGS ?=

CARGO ?= cargo
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
RELEASE := $(CARGO_TARGET_DIR)/release/goodgate
DEBUG := $(CARGO_TARGET_DIR)/debug/goodgate
# The binary that the end-to-end tests drive; another one may be named.
GOODGATE_BIN ?= $(DEBUG)
MODEL_DIR := $(CARGO_TARGET_DIR)/local-model
E2E_DIR := $(CARGO_TARGET_DIR)/e2e

have = $(shell command -v $(1) 2>/dev/null)
skipped = echo "skipped: $(1)" >&2
NODE := $(and $(call have,node),$(call have,npm),$(wildcard ui/package.json))
UI_SOURCES := $(shell find ui -name node_modules -prune -o -name dist -prune -o -type f -print 2>/dev/null)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---------------------------------------------------------------- run and build

.PHONY: run
run: build ## build, start a real local model beside the gateway, and serve
ifeq ($(LOCAL_MODEL),0)
	@exec $(RELEASE) serve $(ARGS)
else
	@exec deploy/local-model/with-model.sh $(MODEL_DIR) $(RELEASE) serve $(ARGS)
endif

.PHONY: build
build: ui ## the release binary with the web UI in it
	$(CARGO) build --release --locked --bin goodgate

.PHONY: ui
ifneq ($(NODE),)
ui: ui/dist/index.html
else
ui:
	@$(call skipped,web UI (no Node.js with npm here): the binary gets a page that says how to get it)
endif

ui/node_modules/.package-lock.json: $(wildcard ui/package-lock.json ui/package.json)
	cd ui && npm ci --no-audit --no-fund
	@touch $@

ui/dist/index.html: ui/node_modules/.package-lock.json $(UI_SOURCES)
	cd ui && npm run build
	@touch $@

# ---------------------------------------------------------------- check and test

.PHONY: check
check: ui ## format, lints, documentation, licences, types: before every commit
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps
ifneq ($(call have,cargo-deny),)
	$(CARGO) deny check bans licenses sources
else
	@$(call skipped,cargo deny (not installed): licences and duplicate crates are not checked)
endif
ifneq ($(NODE),)
	cd ui && npm run lint && npm run types
endif

.PHONY: test
test: check test-rust test-ui test-e2e ## check, then every test; installs what it needs

.PHONY: test-rust
test-rust: ui
ifneq ($(call have,cargo-nextest),)
	$(CARGO) nextest run --locked --workspace --no-fail-fast
	$(CARGO) test --locked --workspace --doc --quiet
else
	@$(call skipped,cargo nextest (not installed): using cargo test)
	$(CARGO) test --locked --workspace --no-fail-fast
endif

.PHONY: test-ui
test-ui: ui
ifneq ($(NODE),)
	cd ui && npm run --if-present test
else
	@$(call skipped,tests of the web UI (no Node.js with npm here))
endif

# The end-to-end tests drive the real binary with real SDKs, a real model and a real browser.
.PHONY: test-e2e
test-e2e: ui
ifeq ($(GOODGATE_BIN),$(DEBUG))
	$(CARGO) build --locked --bin goodgate
endif
	python3 tests/e2e/setup.py --dir $(E2E_DIR) --model-dir $(MODEL_DIR)
	GOODGATE_BIN=$(GOODGATE_BIN) GOODGATE_E2E_DIR=$(E2E_DIR) GOODGATE_MODEL_DIR=$(MODEL_DIR) \
	  $(E2E_DIR)/venv/bin/python -m pytest tests/e2e $(PYTEST_ARGS)

# ---------------------------------------------------------------- measure

# Thirty minutes of mixed faults; the short form of it is one of the end-to-end tests.
SOAK_SECONDS ?= 1800
SOAK_CALLS_A_SECOND ?= 40
.PHONY: soak
soak: build ## half an hour of mixed faults: no answer lies, nothing leaks, memory stays flat
	python3 tests/e2e/setup.py --dir $(E2E_DIR) --model-dir $(MODEL_DIR)
	$(E2E_DIR)/venv/bin/python tests/e2e/test_soak.py $(RELEASE) $(SOAK_SECONDS) $(SOAK_CALLS_A_SECOND)

# Three hand-overs to a successor, each under 500 calls a second and 200 open streams.
.PHONY: takeover
takeover: build ## measure the hand-over: refused connections and cut streams, of which there are none
	python3 tests/e2e/setup.py --dir $(E2E_DIR) --model-dir $(MODEL_DIR)
	$(E2E_DIR)/venv/bin/python tests/e2e/test_takeover.py $(RELEASE)

.PHONY: bench-quick
bench-quick: build ## calls per CPU-second beside nginx, in under a minute
	bench/quick.sh $(RELEASE)
