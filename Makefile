# Verbs only: what each does lives in the crates and scripts it calls.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup wasm bin envoy node python prometheus demo observe test test-engine test-pairs test-cli test-policies test-oracle test-mutants test-hints test-alerts test-schema test-e2e test-hostcalls lint deny bench bench-engine bench-scale bench-module bench-counts guard mutants clean

CARGO ?= cargo
ENVOY_VERSION ?= 1.40.0
WASM := target/toolgate.wasm
# `make wasm PROFILE=quick` builds in a third of the time, for trying things; never for measuring or shipping.
PROFILE ?= release
export ENVOY_VERSION

# Release builds would carry the paths of the machine that made them.
# The command that the harness starts is the one that was just built.
export TOOLGATE_BIN := $(CURDIR)/target/debug/toolgate

# Clippy looks at all of them in one run, so that their dependencies are checked once: cargo unites features within a command.
# They are not built so: what ships would be tested with features that only tests ask for.
NATIVE := -p toolgate-engine -p toolgate-cli -p toolgate-harness -p toolgate-mutants -p toolgate-hints

REMAP := --remap-path-prefix=$(CURDIR)=toolgate --remap-path-prefix=$(HOME)/.cargo=cargo --remap-path-prefix=$(HOME)/.rustup=rustup
# Without it the linker writes every index and address in five bytes, however small it is.
COMPACT := -C link-arg=--compress-relocations

help: ## show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install the toolchain's parts (idempotent)
	@rustup toolchain list | grep -q '^1\.95\.0' || rustup toolchain install 1.95.0 --profile minimal
	@rustup component list --toolchain 1.95.0 --installed | grep -q clippy || rustup component add --toolchain 1.95.0 clippy rustfmt
	@rustup target list --toolchain 1.95.0 --installed | grep -q wasm32-wasip1 || rustup target add --toolchain 1.95.0 wasm32-wasip1

wasm: setup ## build target/toolgate.wasm
	TOOLGATE_BUILD="0.1.0+$$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)" \
	CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="$(REMAP) $(COMPACT)" $(CARGO) build --profile $(PROFILE) --locked --target wasm32-wasip1 --lib -p toolgate $(if $(FEATURES),--features $(FEATURES))
	@test-harness/hint target/wasm32-wasip1/$(PROFILE)/toolgate.wasm target/wasm32-wasip1/$(PROFILE)/toolgate.hinted.wasm
	@install -m 644 target/wasm32-wasip1/$(PROFILE)/toolgate.hinted.wasm $(WASM)
	@! grep -aqF -e "$(HOME)/" -e "$(CURDIR)/" $(WASM) || { echo "error: $(WASM) holds paths of this machine"; exit 1; }
	@echo "$(WASM): $$(stat -c %s $(WASM)) bytes"

bin: setup ## build the toolgate command (target/debug/toolgate)
	$(CARGO) build --locked -p toolgate-cli

envoy: ## unpack Envoy $(ENVOY_VERSION) into .tools
	@test-harness/fetch-envoy $(ENVOY_VERSION)

prometheus: ## find Prometheus and Alertmanager, or unpack Debian's packages into .tools
	@test-harness/fetch-prometheus

python: ## install the official Python client into target/python
	@test-harness/fetch-python

node: ## install Node and what the tests take from npm into target/node
	@test-harness/fetch-node

demo: wasm bin envoy ## start everything and walk the tour (SERVE=1 keeps it up)
	$(CARGO) run --locked -q -p toolgate-harness --bin toolgate-demo

observe: wasm bin envoy prometheus ## the demo with Prometheus and Alertmanager beside it; ends on Ctrl-C
	$(CARGO) run --locked -q -p toolgate-harness --bin toolgate-observe

test: lint wasm bin envoy test-engine test-schema test-cli test-policies test-oracle test-mutants test-hints test-alerts test-e2e test-hostcalls guard ## run every test

test-engine: setup ## the engine's tests
	$(CARGO) test --locked -p toolgate-engine

test-pairs: setup ## a million random pairs for the arithmetic of signatures, against the reference crates
	PAIRS=$(or $(PAIRS),1000000) $(CARGO) test --profile bench --locked -p toolgate-engine --lib -- keys::rsa keys::p256

test-schema: setup ## argument schemas against the JSON Schema Test Suite, which is fetched
	test-harness/fetch-schema-suite
	$(CARGO) test --locked -p toolgate-engine --test schema_suite -- --ignored --nocapture

test-oracle: setup ## generated policies against Cedar (builds Cedar the first time)
	$(CARGO) test --locked -p toolgate-policy-oracle

test-cli: setup ## the command's tests
	$(CARGO) test --locked -p toolgate-cli

test-policies: bin ## the cases of every example policy
	target/debug/toolgate policy test policies

test-alerts: ## promtool and amtool over alerts/, under both settings
	@alerts/test

test-e2e: wasm bin envoy node python prometheus ## tests under a real Envoy, both host modes
	$(CARGO) test --locked -p toolgate-harness --no-fail-fast

bench: wasm bin envoy bench-scale ## measure chains beside Envoy's own filters (QUICK=1: short)
	$(CARGO) run --release --locked -q -p toolgate-harness --bin toolgate-bench

bench-engine: setup ## measure the engine by itself (criterion)
	$(CARGO) bench --locked -p toolgate-engine --bench engine

bench-scale: setup ## how the engine's cost and memory grow with rules, roles, tokens, keys, revoked ids, tools; `make bench` takes it up
	@rm -rf target/bench/criterion && mkdir -p target/bench
	$(CARGO) bench --locked -q -p toolgate-engine --bench memory -- $(CURDIR)/target/bench/engine-memory.json
	CRITERION_HOME=$(CURDIR)/target/bench/criterion $(CARGO) bench --locked -q -p toolgate-engine --bench engine -- --quiet --noplot --sample-size 10 --nresamples 2000 --warm-up-time $(if $(QUICK),0.05,0.3) --measurement-time $(if $(QUICK),0.1,0.5)

test-hostcalls: wasm node ## what the filter asks of its host for a warm request, call by call, the memory of a VM, and requests that wait
	"$$(test-harness/fetch-node)/node_modules/.bin/node" test-harness/hostcalls.mjs $(WASM)
	"$$(test-harness/fetch-node)/node_modules/.bin/node" test-harness/memory.mjs $(WASM)
	"$$(test-harness/fetch-node)/node_modules/.bin/node" test-harness/waiting.mjs $(WASM)

bench-counts: wasm envoy ## count what a request of each chain takes, under callgrind with modelled caches (a quarter of an hour)
	$(CARGO) run --release --locked -q -p toolgate-harness --bin toolgate-bench -- counts

bench-module: wasm node ## time the filter alone in V8, in a loop and with cold caches (AGAINST=other.wasm compares)
	"$$(test-harness/fetch-node)/node_modules/.bin/node" --no-liftoff --experimental-wasm-branch-hinting test-harness/module.mjs $(WASM) $(AGAINST)

guard: setup ## instructions of the engine and size of the filter, against the baseline (UPDATE=1 writes it)
	engine/benches/guard $(if $(UPDATE),--update)

mutants: setup ## change one place after another and see whether a test notices (ROOM=policy or token/verify, FRESH=1, JOBS=n)
	$(CARGO) run --locked -q -p toolgate-mutants -- $(if $(FRESH),--fresh) $(if $(JOBS),--jobs=$(JOBS)) $(ROOM)

test-mutants: setup ## the tests of what `make mutants` runs
	$(CARGO) test --locked -p toolgate-mutants

test-hints: setup ## the tests of what writes branch hints into the filter
	$(CARGO) test --locked -p toolgate-hints

lint: setup ## formatting and clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked $(NATIVE) --all-targets -- -D warnings
	$(CARGO) clippy --locked -p toolgate -p toolgate-stages --target wasm32-wasip1 -- -D warnings

deny: ## licences, sources and bans of dependencies (needs cargo-deny)
	$(CARGO) deny --locked check licenses bans sources

clean: ## remove what was built
	$(CARGO) clean
