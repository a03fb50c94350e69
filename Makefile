# Everything runs in .venv, which the first target that needs it creates. "make help" lists the targets.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# stalefl-flower, whose dependencies clash with others', has an environment of its own.
FLOWER := plugins/stalefl-flower
PLUGINS := $(filter-out $(FLOWER),$(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)))
# One thread each: the two test processes share the cores, and a run uses one thread by default.
test test-slow: export OMP_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install plugins demo test test-slow test-flower lint format bench docs clean

help:  ## this list
	@echo "stalefl: federated learning with late clients. Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
		printf '%-18s %s\n' "$$target" "$$text"; done
	@echo "The first of them installs into .venv (a few minutes, about 6 GB). Another Python: make PYTHON=python3.12 ..."

install: $(READY)  ## create .venv and install stalefl with all that its tests need

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "stalefl needs Python 3.10 or newer; choose one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Installing into .venv: takes a few minutes and about 6 GB, most of it PyTorch."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

demo: $(READY)  ## late clients hurt a class, inversion rescues it: digits, under 3 minutes, into runs/demo
	@$(BIN)/stalefl simulate --out runs/demo --force

plugins: .venv/.plugins  ## install the packages in plugins/ into .venv (all but stalefl-flower)

.venv/.plugins: $(READY) $(PLUGINS:%=%/pyproject.toml)
	@$(BIN)/python -m pip install --quiet $(PLUGINS:%=--editable ./%)
	@touch $@

test: lint test-flower plugins  ## lint, then all tests but the slow ones, those of the plugins included
	@$(BIN)/python -m pytest -q -n 2 tests $(PLUGINS)

test-flower: $(READY)  ## the tests of stalefl-flower, in .venv-flower
	@$(FLOWER)/test-environment.sh

test-slow: $(READY)  ## the slow tests only
	@$(BIN)/python -m pytest -q -m slow

lint: $(READY)  ## ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(READY)  ## format the code, sort the imports
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(READY)  ## local-training throughput against a bare PyTorch loop
	@$(BIN)/python benchmarks/local_training.py

docs: $(READY)  ## regenerate the generated pages in docs/
	@$(BIN)/python -m docs.tools.generate

clean:  ## remove .venv, caches and runs/demo
	rm -rf .venv .venv-flower .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build runs/demo stalefl.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
