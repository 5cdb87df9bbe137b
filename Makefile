# make demo           a model on real data, served, watched, and a notification when the world changes
#                     RETRAIN=1 goes on: the drift retrains the model (FAULT=labels: a bad retraining, which is rejected)
# make test           everything that can be tested without Docker
# make test-busy      the same on a machine that is busy with other things
# make test-oldest    the package's core on Python 3.9 with the smallest versions of what it needs
# make test-compose   the Docker image and docker-compose.yml, run for real
# make docs           the documentation as a site, in .run/site
# make release        wheel and sdist in dist/, built and checked; publishes nothing
# make lint           linters, types, import contracts, generated files
# Both set themselves up: .venv, and Java, Prometheus, Alertmanager and Chromium from the system's packages.

SHELL := /bin/bash
VENV := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.tools/bin:$(PATH)

.PHONY: help setup demo tools run-tests test test-busy test-oldest test-rules test-unit test-compose docs release lint format generate bench bench-hotpath bench-models bench-drift bench-gpu bench-scale bench-labels soak clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup:
	@scripts/setup.sh

demo: setup
	@$(VENV)/python -m examples.flight_delay.demo

# Tests of the whole stack run by themselves: they send traffic at a rate, and starve beside others. Of the rest most
# wait, so three processes share two cores: a file's tests run in one of them, longest first (tests/conftest.py).
# `pytest` alone runs all in one.
PROCESSES ?= 3
STACKS := tests/e2e tests/integration
PYTEST = $(VENV)/python -m pytest -m "not compose" --durations 25

test: setup tools
	$(MAKE) --no-print-directory run-tests

# Prometheus 3's promtool and VictoriaMetrics's vmalert, where Debian has them: some tests are skipped without.
tools:
	@scripts/test_tools.sh

run-tests:
	$(PYTEST) $(STACKS)
	$(PYTEST) -n $(PROCESSES) --benchmark-disable $(STACKS:%=--ignore=%)

# The same beside eight processes that leave no core idle: tests wait for events, and never for seconds.
test-busy: setup tools
	scripts/beside_busy.sh 8 $(MAKE) --no-print-directory run-tests

# The package's core on Python 3.9, with the smallest versions of what it needs.
test-oldest: setup
	$(VENV)/python -m tests.oldest

test-unit: setup
	$(VENV)/python -m pytest tests/unit tests/benchmarks tests/examples handlers --doctest-modules

# The tests of the alert rules, each with all rules: `make test` runs each with those that it rests on.
test-rules: setup
	printf '%s\0' prometheus/tests/*.yml | xargs -0 -n 1 -P "$$(nproc)" promtool test rules

# Builds our image and runs the whole docker-compose.yml; starts a Docker engine if it has to and may.
test-compose: setup
	TORCHVITALS_START_ENGINE=1 $(VENV)/python -m pytest -m compose

docs: setup
	NO_MKDOCS_2_WARNING=1 $(VENV)/python -m mkdocs build --quiet
	@echo "the site is in .run/site: open .run/site/index.html"

release: setup
	scripts/release.sh

lint: setup
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(VENV)/torchvitals metrics generate --check
	$(VENV)/torchvitals rules generate --check
	$(VENV)/python -m grafana.build --check
	$(VENV)/python -m scripts.commands_page --check

format: setup
	$(VENV)/ruff check --fix
	$(VENV)/ruff format

# Files that follow from others: metrics.yaml, docs/metrics.md, prometheus's rules and alerts, grafana/dashboards and the report's copy, deploy/compose.
generate: setup
	$(VENV)/torchvitals metrics generate
	$(VENV)/torchvitals rules generate
	$(VENV)/python deploy/compose/render.py
	$(VENV)/python -m grafana.build
	$(VENV)/python -m scripts.commands_page

# What monitoring costs, against every budget (about 22 minutes; needs wrk and h2load).
bench: setup
	$(VENV)/python -m benchmarks.hotpath
	$(VENV)/python -m benchmarks.server
	$(VENV)/python -m benchmarks.flush_latency
	$(VENV)/python -m benchmarks.baseline_stream
	$(VENV)/python -m benchmarks.budgets

# The same of larger models, of classifiers of 1,000 to 100,000 classes, and of each kind of input and output (about
# 10 minutes; needs wrk).
bench-models: setup
	$(VENV)/python -m benchmarks.inputs
	$(VENV)/python -m benchmarks.output_kinds
	$(VENV)/python -m benchmarks.server --model resnet18 --rounds 5 --seconds 10 --connections 2
	$(VENV)/python -m benchmarks.server --model transformer --rounds 6
	$(VENV)/python -m benchmarks.many_classes

# Half an hour of load on two workers each: memory, dropped records, exact counts (needs wrk).
soak: setup
	$(VENV)/python -m benchmarks.soak --minutes 30

# What one request, one flush and one verdict cost, without a server.
bench-hotpath: setup
	$(VENV)/python -m benchmarks.hotpath

# The same on a CUDA device: timing by events against waiting.
bench-gpu: setup
	$(VENV)/python -m benchmarks.gpu

# Drift detectors side by side, and what the verdict sees and who is told, scenario by scenario (about 25 minutes).
bench-drift: setup
	$(VENV)/python -m benchmarks.drift
	$(VENV)/python -m benchmarks.scenarios

# How fast a million labels find their predictions in SQLite: docs/ground-truth.md.
bench-labels: setup
	$(VENV)/python -m benchmarks.labels

# How many servers one Prometheus takes, by the rules' seconds, processor and memory (about 25 minutes): docs/scale.md.
bench-scale: setup
	$(VENV)/python -m benchmarks.scale

clean:
	rm -rf .venv .run
