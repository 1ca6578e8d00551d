# make demo    build, bring up the sandbox cloud, provision a hub on it, print a URL and a login
# make test    every check and every test
# make install hubctl, and beside it the programs that it puts on a server
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.PHONY: demo man test test-long test-openstack test-vm test-dist lint build install tools sandbox bench golden dist

export PATH := $(CURDIR)/target/tools/bin:$(PATH)

demo: build
	scripts/demo

test: lint build
	scripts/peers
	cargo nextest run --workspace --no-fail-fast
	cargo test --workspace --doc --quiet

# The property tests with some hundred times the cases; every step of a host's setup failed and killed: docs/faults.md.
test-long: build
	PROPTEST_CASES=$${PROPTEST_CASES:-20000} cargo nextest run -p hubproxy --test property
	cargo nextest run --profile long -p hubctl --test faults --no-fail-fast -E 'test(matrix::)'

# A real OpenStack on this machine, as root: the cloud half, the sandbox's tables, and a hub in a guest. Not part of `test`.
test-openstack: tools
	scripts/test-openstack

# A stock Debian 12 in QEMU, as root: what depends on unified control groups. Emulated, it takes 20 minutes.
test-vm: tools
	scripts/test-vm

# Programs for any Linux with glibc 2.31 or later, packed, with checksums, into target/dist.
dist:
	scripts/dist

# What `make dist` packed, as root: on Debian 11, downloaded, and a hub provisioned with it on the sandbox.
test-dist: tools
	scripts/test-dist

lint: tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	cargo deny --log-level error check bans licenses sources

build: tools
	cargo build --workspace

# Into cargo's folder for programs, or PREFIX/bin.
install:
	for crate in . crates/hubd crates/hubproxy crates/hub-helper; do
	  cargo install --locked --path "$$crate" $(if $(PREFIX),--root "$(PREFIX)")
	done

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
