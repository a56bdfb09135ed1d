# demo · test · check · bench · bench-gateway · bench-quality · notebooks · serve: each sets up what it needs, once, in .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
OUTCOMES ?= datasets/public
DEMO_BUNDLE := out/demo

.PHONY: demo serve test check bench bench-batching bench-cache bench-cascade bench-gateway bench-quality bench-ledger bench-pacing notebooks bundle clean

demo: .venv/.demo
	$(BIN)/pointsman train --outcomes $(OUTCOMES) --tasks datasets/tasks --held-out-tasks datasets/tasks/held-out \
		--prices datasets/prices.csv --output $(DEMO_BUNDLE)
	$(BIN)/python scripts/demo.py --bundle $(DEMO_BUNDLE)

serve: .venv/.demo
	$(BIN)/pointsman serve

test: .venv/.dev
	$(BIN)/pytest

check: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.dev
	$(BIN)/python tests/bench/run.py
	$(BIN)/python tests/bench/gateway.py

# The gateway as a process: throughput, added latency, memory, start. Beside LiteLLM's proxy, once
# scripts/bench_litellm.sh has installed that in .venv-litellm.
bench-gateway: .venv/.dev
	$(BIN)/python tests/bench/gateway.py

# Every protocol of `pointsman evaluate` on datasets/public, written into docs/quality.md: some 35 trainings.
# One alone: make bench-quality PROTOCOLS=seeds
bench-quality: .venv/.dev
	$(BIN)/python tests/bench/quality.py $(PROTOCOLS)

# Speed beside bare SQL, kills at failpoints, a state machine beside a model.
bench-ledger: .venv/.dev
	$(BIN)/python tests/bench/ledger.py

# A month of traffic under a daily budget: quality lost to pacing, against the offline optimum. Takes minutes.
bench-pacing: .venv/.dev
	$(BIN)/python tests/bench/pacing.py

# Going on to another model against routing alone, with a simulated verifier; needs the bundle of bench-quality. Minutes.
bench-cascade: .venv/.dev
	$(BIN)/python tests/bench/cascade.py

# False hits on authored hard pairs, hits on an authored workload; writes out/cache.json.
bench-cache: .venv/.dev
	$(BIN)/python tests/bench/cache.py

# What deciding many tasks in one pass saves: processor time a task, by the size of the pass.
bench-batching: .venv/.dev
	$(BIN)/python tests/bench/batching.py

# Runs the notebooks and writes docs/notebooks, some minutes. One alone: make notebooks NAMES=01-routing-accuracy
notebooks: .venv/.dev
	$(BIN)/python scripts/notebooks.py $(NAMES)

# The bundle in models/default: as the demo's, with more folds and networks, and the dev split learned from at last.
bundle: .venv/.demo
	$(BIN)/pointsman train --outcomes $(OUTCOMES) --tasks datasets/tasks --held-out-tasks datasets/tasks/held-out \
		--prices datasets/prices.csv --folds 5 --networks 2 --use-dev --output models/default

clean:
	rm -rf .venv out

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv .venv

.venv/.demo: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up .venv (once) ..."
	$(PIP_INSTALL) -e '.[serve,train]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up .venv for development (once) ..."
	$(PIP_INSTALL) -e '.[serve,train,encoders,postgres,dev]'
	@touch $@ .venv/.demo
