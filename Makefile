# Kintsugi's commands. `make help` lists them. Everything that a command needs and that a Debian
# machine with Rust, Go and these package registries can install, it installs itself.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export KINTSUGI_CACHE ?= $(HOME)/.cache/kintsugi
# One folder of build outputs for each checkout: cargo takes another checkout's older sources for
# its own where two share one.
export CARGO_TARGET_DIR ?= $(KINTSUGI_CACHE)/target/$(shell pwd | cksum | cut -d' ' -f1)

SEEDS ?= 500
# Property tests draw the same cases in every run; another seed, and PROPTEST_CASES, draw others.
export PROPTEST_RNG_SEED ?= 1
KILLS ?= 20
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= request batch segment peer
RUNS ?= 3
REBALANCER_SECONDS ?= 900
OPTIMUM_CLUSTERS ?= 20
OPTIMUM_LARGE ?= 5
OPTIMUM_SECONDS ?= 60
KAFKA_KILLS ?= $(KILLS)
FAULTS ?= 5
KAFKA_FAULTS ?= 1
SVG ?= $(CARGO_TARGET_DIR)/demo-scale.svg
TOOLS := $(KINTSUGI_CACHE)/tools/bin
IMAGE := $(CARGO_TARGET_DIR)/image
BENCH_FAILOVER := $(IMAGE)/kintsugi-e2e bench-failover --broker $(IMAGE)/kintsugi-broker \
  --kafka $(KINTSUGI_CACHE)/kafka-4.1.1
# Builds one binary with the features that the whole workspace asks of its dependencies, so that
# they need not be compiled again for it.
BUILD_ONE := cargo build --quiet --profile image --workspace --bin

.PHONY: help verify fix test unit fuzz-smoke fuzz api sim sim-bugs smoke e2e e2e-kubeconfig e2e-handed-over demo demo-scale demo-down images-from-source console-tools plan-on-kafka bench bench-failover bench-faults bench-partitions bench-start bench-joining crds advisories preflight bench-planner planner-optimum bench-scale

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed 's/:.*## /\t/' | sort | column -t -s $$'\t'

preflight:
	@e2e/preflight.sh

verify: preflight $(TOOLS)/cargo-deny ## check formatting, lints, generated files and dependencies; changes nothing
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --profile image -- -D warnings
	cargo clippy --workspace --test api_server --profile image -- -D warnings
	$(TOOLS)/cargo-deny --all-features check bans licenses sources
	cd e2e/localkube/launcher && test -z "$$(gofmt -l .)" && go vet ./...
	e2e/house-rules.sh

fix: preflight ## format, apply what clippy can, and regenerate files
	cargo fmt --all
	cargo clippy --workspace --all-targets --profile image --fix --allow-dirty --allow-staged
	$(MAKE) crds

crds: ## regenerate the CRDs from their Rust types
	$(BUILD_ONE) kintsugi-operator
	for kind in kafkaclusters kafkatopics kafkarebalances; do \
	  $(IMAGE)/kintsugi-operator crd --only $$kind > crds/yaml/$$kind.yaml; \
	  $(IMAGE)/kintsugi-operator crd --only $$kind --chart > charts/kintsugi/templates/$$kind.yaml; \
	done

test: preflight unit fuzz-smoke api sim smoke ## run every test: units, the simulator, and a smoke test on a real Kubernetes

unit: preflight ## run the tests of all crates and of the launcher; PROPTEST_RNG_SEED=n draws other cases
	cargo test --workspace --profile image
	cd e2e/localkube/launcher && go test ./...

fuzz-smoke: preflight ## FUZZ_SECONDS (60) of damaged input for decoders and files, on the stable compiler; prints its seed
	KINTSUGI_FUZZ_SECONDS=$(FUZZ_SECONDS) RUST_BACKTRACE=0 cargo test --workspace --profile image \
	  --test fuzz_smoke -- --nocapture

fuzz: preflight ## libFuzzer on FUZZ_TARGETS, FUZZ_SECONDS each, guided by coverage; needs a nightly compiler
	@rustup run nightly rustc --version || { echo 'make fuzz needs a nightly compiler, which this machine lacks. Run: rustup toolchain install nightly --profile minimal' >&2; exit 1; }
	$(MAKE) $(TOOLS)/cargo-fuzz
	mkdir -p $(KINTSUGI_CACHE)/fuzz
	cd broker/fuzz && for target in $(FUZZ_TARGETS); do mkdir -p $(KINTSUGI_CACHE)/fuzz/$$target; \
	  rustup run nightly $(TOOLS)/cargo-fuzz run $$target $(KINTSUGI_CACHE)/fuzz/$$target ../fuzz-targets/corpus/$$target \
	    -- -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=1024 -max_len=65536; done

api: preflight ## check the definition's rules and the operator's writes against a real API server
	KINTSUGI_KUBE=$$(e2e/localkube/setup.sh | tail -n 1)/bin/kube cargo test --workspace --profile image --test api_server

sim: preflight ## run the simulator over SEEDS seeds (default 500)
	$(BUILD_ONE) kintsugi-sim
	$(IMAGE)/kintsugi-sim --seeds $(SEEDS) --quiet --coverage

sim-bugs: preflight ## show that the simulator finds each rule that is left out on purpose
	cargo test --quiet --profile image -p kintsugi-sim --test reintroduced_bugs -- --nocapture

smoke: preflight ## form a cluster on a real Kubernetes, kill the leader, verify
	e2e/run.sh --name test --remove -- scenarios --smoke

e2e: preflight ## run all scenarios on a real Kubernetes
	e2e/run.sh --name e2e --remove -- scenarios

e2e-kubeconfig: preflight ## run the scenarios on the cluster of KUBECONFIG=FILE [IMAGE_REGISTRY=HOST/PATH] [ALLOW_PRIVILEGED=1]; says which were not run
	@KUBECONFIG='$(KUBECONFIG)' IMAGE_REGISTRY='$(IMAGE_REGISTRY)' ALLOW_PRIVILEGED='$(ALLOW_PRIVILEGED)' e2e/kubeconfig.sh

e2e-handed-over: preflight ## the same on a local Kubernetes of which only the kubeconfig is used; [ALLOW_PRIVILEGED=1]
	ALLOW_PRIVILEGED='$(ALLOW_PRIVILEGED)' e2e/run.sh --name handed --remove --handed-over -- scenarios

demo: preflight ## show the main job on a real Kubernetes; leaves the cluster up
	e2e/run.sh --name demo -- demo

demo-scale: preflight ## show brokers that join and leave by the load, with a chart; leaves the cluster up; SVG=FILE
	mkdir -p $(dir $(SVG))
	e2e/run.sh --name demo-scale -- demo-scale --svg $(SVG)
	@echo $(SVG)

demo-down: preflight ## remove what `make demo` and `make demo-scale` made
	e2e/run.sh --name demo --only-remove
	e2e/run.sh --name demo-scale --only-remove

bench-failover: preflight ## kill brokers of Kintsugi and of Apache Kafka under the same load
	$(MAKE) bench-built
	$(BENCH_FAILOVER) --kills $(KILLS) --kafka-kills $(KAFKA_KILLS) --client retry.backoff.ms=20
	$(BENCH_FAILOVER) --kills $(KILLS) --kafka-kills $(KAFKA_KILLS)
	$(BENCH_FAILOVER) --kills $(KILLS) --kafka-kills $(KAFKA_KILLS) --library java

bench-faults: preflight ## freeze brokers, kill controllers and coordinators, restart all in turn; both engines, both client libraries
	$(MAKE) bench-built
	for library in librdkafka java; do for fault in freeze controller coordinator roll; do \
	  $(BENCH_FAILOVER) --fault $$fault --library $$library --kills $(FAULTS) --kafka-kills $(KAFKA_FAULTS); \
	done; done

bench-partitions: preflight ## 10,000 partitions: starts, idle processors, memory, descriptors; kills with little load, and with load on a tenth, by step
	$(MAKE) bench-built
	$(IMAGE)/kintsugi-e2e bench-partitions --broker $(IMAGE)/kintsugi-broker --partitions 10000 --runs $(RUNS)
	$(BENCH_FAILOVER) --partitions 10000 --loaded 120 --kills $(FAULTS) --kafka-kills 0
	$(BENCH_FAILOVER) --partitions 10000 --loaded 1000 --interval-ms 200 --library java \
	  --kills $(FAULTS) --kafka-kills $(KAFKA_FAULTS)

.PHONY: bench-built
bench-built:
	$(BUILD_ONE) kintsugi-broker --bin kintsugi-e2e
	e2e/kafka/fetch.sh 4.1.1 $(KINTSUGI_CACHE)/kafka-4.1.1

bench-joining: preflight ## on a real Kubernetes: from the decision for another broker until it carries what is meant for it of 1,000 partitions
	e2e/run.sh --name joining --remove -- bench-joining

images-from-source: preflight ## build the images from source for amd64 and arm64, with a builder made of Debian's packages; checks them
	e2e/localkube/images/from-source.sh

console-tools: preflight ## run Apache Kafka's console tools against a cluster of processes
	e2e/kafka/fetch.sh 4.1.1 $(KINTSUGI_CACHE)/kafka-4.1.1
	KINTSUGI_KAFKA_JARS=$(KINTSUGI_CACHE)/kafka-4.1.1 RUST_BACKTRACE=0 cargo test --profile image \
	  --workspace --test console_tools --test reassign_tool -- --nocapture

plan-on-kafka: preflight ## plan for a skewed Apache Kafka with kintsugi-plan, and have kafka-reassign-partitions do it
	$(BUILD_ONE) kintsugi-plan --bin kintsugi-e2e
	e2e/kafka/fetch.sh 4.1.1 $(KINTSUGI_CACHE)/kafka-4.1.1
	$(IMAGE)/kintsugi-e2e plan-on-kafka --plan $(IMAGE)/kintsugi-plan --kafka $(KINTSUGI_CACHE)/kafka-4.1.1

bench: preflight ## measure speed, processor time and memory beside Apache Kafka, RUNS times each
	$(BUILD_ONE) kintsugi-broker --bin kintsugi-e2e
	e2e/kafka/fetch.sh 4.1.1 $(KINTSUGI_CACHE)/kafka-4.1.1
	$(IMAGE)/kintsugi-e2e bench-speed --broker $(IMAGE)/kintsugi-broker \
	  --kafka $(KINTSUGI_CACHE)/kafka-4.1.1 --runs $(RUNS)

bench-start: preflight ## measure how fast one broker serves, and its idle memory
	$(BUILD_ONE) kintsugi-broker --bin kintsugi-e2e
	$(IMAGE)/kintsugi-e2e bench-start --broker $(IMAGE)/kintsugi-broker

bench-planner: preflight ## plan synthetic clusters of up to 2.8 million replicas, and one beside Meta's Rebalancer (Python 3.12)
	cargo build --profile image -p kintsugi-planner --example bench_planner
	operator/planner/bench/run.sh $(IMAGE)/examples $(REBALANCER_SECONDS)

planner-optimum: preflight ## hold plans of small clusters, and their bounds, against the optimum that HiGHS finds (Python 3.12)
	cargo build --profile image -p kintsugi-planner --example optimum
	$(IMAGE)/examples/optimum $(KINTSUGI_CACHE)/optimum.json $(OPTIMUM_CLUSTERS) $(OPTIMUM_LARGE)
	$$(operator/planner/bench/venv.sh) operator/planner/bench/optimum.py $(KINTSUGI_CACHE)/optimum.json $(OPTIMUM_SECONDS)

bench-scale: preflight ## score the scaler on real loads beside the HorizontalPodAutoscaler's whole grid; measure one decision
	operator/forecast/replay/traces.sh $(KINTSUGI_CACHE)/traces
	cargo build --quiet --profile image -p kintsugi-replay
	$(IMAGE)/kintsugi-replay decision
	$(IMAGE)/kintsugi-replay bench --traces $(KINTSUGI_CACHE)/traces/csv
	$(IMAGE)/kintsugi-replay controls
	$(IMAGE)/kintsugi-replay coverage --traces $(KINTSUGI_CACHE)/traces/csv

advisories: $(TOOLS)/cargo-deny ## check dependencies for known vulnerabilities (fetches the advisory database)
	$(TOOLS)/cargo-deny --all-features check advisories

$(TOOLS)/cargo-deny:
	cargo install cargo-deny --version 0.20.2 --locked --root $(KINTSUGI_CACHE)/tools

$(TOOLS)/cargo-fuzz:
	cargo install cargo-fuzz --version 0.13.1 --locked --root $(KINTSUGI_CACHE)/tools
