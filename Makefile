# make demo    build, bring up the sandbox cloud, provision a hub on it, print a URL and a login
# make test    every check and every test
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.PHONY: demo man test test-long lint build tools sandbox bench golden

export PATH := $(CURDIR)/target/tools/bin:$(PATH)

demo: build
	scripts/demo

test: lint build
	scripts/peers
	cargo nextest run --workspace --no-fail-fast
	cargo test --workspace --doc --quiet

# The property tests with some hundred times the cases.
test-long: tools
	PROPTEST_CASES=$${PROPTEST_CASES:-20000} cargo nextest run -p hubproxy --test property

lint: tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	cargo deny --log-level error check bans licenses sources

build: tools
	cargo build --workspace

# The sandbox cloud alone: prints the clouds.yaml to use and stays until interrupted.
sandbox: build
	target/debug/sandbox serve --machines namespaces --state-dir .sandbox/cloud

# Writes docs/benchmarks.md.
bench: tools
	scripts/peers --bench
	cargo build --workspace --release
	cargo bench -p hubctl --bench provision
	cargo bench -p hubproxy --bench proxy
	cargo bench -p hubd --bench hub

# Takes the rendered templates and messages of now as the expected ones. Read the diff before you commit it.
golden:
	UPDATE_GOLDEN=1 BLESS=1 INSTA_UPDATE=always cargo nextest run --test setup_golden --test spec

# The manual pages, into target/man.
man:
	cargo run --quiet -p hubctl -- man target/man

# What the checks, the sandbox and the tests need beside Rust.
tools:
	@scripts/tools
