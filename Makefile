# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv when it must.

PYTHON ?= python3
BIN := .venv/bin

# Tests at a time; those that start Ray take turns.
TESTERS ?= 2
TOGETHER := -n $(TESTERS) --dist loadgroup

.PHONY: help demo test test-all lint bench chaos chaos-input clean

help:
	@echo "make demo      sweep the built-in digits: the front on the screen, a report on disk"
	@echo "make test      lint, types and the quick tests, in about ten minutes"
	@echo "make test-all  lint, types and all tests, also those that wait for real processes"
	@echo "make lint      lint and types"
	@echo "make bench     the benchmarks' tables"
	@echo "make chaos     kill a sweep a hundred times (SEED=N: as before) and count what that cost"
	@echo "make chaos-input  a thousand bad command lines, environments and studies (SEED=N, CASES=N)"
	@echo "make clean     remove what these made, but for studies/"

demo: .venv/installed
	$(BIN)/sweeper run pareto --dataset digits

test: lint
	$(BIN)/pytest $(TOGETHER) -m "not slow"

test-all: lint
	$(BIN)/pytest $(TOGETHER)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python benchmarks/step_time.py
	$(BIN)/python benchmarks/two_processes.py
	$(BIN)/python benchmarks/pack_throughput.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/checkpoints.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/many_trials.py

chaos: .venv/installed
	$(BIN)/python benchmarks/chaos.py $(if $(SEED),--seed $(SEED))

chaos-input: .venv/installed
	$(BIN)/python benchmarks/chaos_input.py $(if $(SEED),--seed $(SEED)) $(if $(CASES),--cases $(CASES))

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/installed: pyproject.toml
	@echo "installing into .venv, which takes a minute or two"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
