# The front door. `make` alone lists what there is; everything works from a fresh clone on Debian 12.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help deps build encoder demo test bench format lint fuzz containers torture simulate ledger clean

JOBS ?= $(shell nproc)
PYTHON := .venv/bin/python
export NINJA_STATUS = [%f/%t, %e s] 

help: ## list these targets
	@echo 'Signalbox: one server between applications and AI models.'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo '  JOBS=n limits parallel compilation (default: all cores).'

deps: ## install what this machine lacks (Debian packages, pinned sources, .venv)
	@scripts/install-deps

build: ## release build: build/release/apps/signalbox/signalbox
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS)

encoder: build ## optional: the sentence encoder of triage's tier 1, from pinned weights (84 MB download)
	@scripts/make-encoder

demo: deps ## build, then the support desk example end to end; KEEP=1 leaves the server up
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target signalbox
	@KEEP=$(KEEP) $(PYTHON) examples/support-desk/demo.py

test: ## what CI runs: unit tests (release, asan, tsan), client libraries, end to end
	@JOBS=$(JOBS) scripts/test

bench: build ## measure this machine beside the peers that are installed; PEERS=1 installs them first (1 GB)
	@scripts/install-deps --bench
	@[ -z "$(PEERS)" ] || bench/gateway/install-peers
	@for run in bench/*/run; do [ ! -x "$$run" ] || { echo "==> $$run"; "$$run"; }; done

format: ## rewrite the C++ sources as .clang-format says
	@scripts/format

lint: ## formatting, clang-tidy of what changed since main (ALL=1: of everything), shellcheck
	@scripts/lint $(if $(ALL),--all)

fuzz: ## run every fuzzer for FUZZ_SECONDS (default 60) on its corpus
	@JOBS=$(JOBS) scripts/fuzz

containers: build ## the tests of `run: container` with Debian's podman, which this installs
	@scripts/install-deps --no-demo --containers
	@SB_REAL_CONTAINERS=1 tests/e2e/run -k containers

torture: build ## fail the disk by plan, kill the server under load, again and again, and check that nothing is lost
	@tests/torture/run

simulate: build ## the engine in virtual time, with crashes and faults, SEEDS of them (default 100,000) over JOBS processes
	@JOBS=$(JOBS) SEEDS=$(SEEDS) scripts/simulate

ledger: build ## hold the books against the provider's bill over a million calls that go wrong in every way
	@SB_LEDGER_CALLS=1000000 build/release/src/flow/flow_test --gtest_filter='Ledger.*'

clean: ## remove all builds (not the dependencies)
	@rm -rf build
