# Every target does its own set-up in .venv, from nothing but Python >= 3.11, make, a C compiler
# and the package registries.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# All of `bench mix` with slices of 15 s takes the better part of an hour.
MIX_ARGS ?= --seconds 5
# `bench stop` takes six minutes or more; with `--lengths 10,600` it takes three.
STOP_ARGS ?=
API_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo up test check lint bench soak lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(VENV)/.run-stamp ## the main job on a farm of its own; ends by itself
	$(BIN)/tapefarm demo $(ARGS)

up: $(VENV)/.run-stamp ## the farm; stays up (ARGS="--port 8080 --data data")
	exec $(BIN)/tapefarm up $(ARGS)

test: $(VENV)/.dev-stamp lint ## all tests; installs the Debian packages they need when it may
	scripts/install-test-components
	scripts/run-tests $(BIN)/python $(ARGS)

check: lint ## format, lint, types, import contracts, tests that start no server
	$(BIN)/python -m pytest -q --servers none -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.dev-stamp
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.run-stamp ## measure, side by side with what it is compared to
	$(BIN)/tapefarm bench capture $(ARGS)
	$(BIN)/tapefarm bench mix $(MIX_ARGS)
	$(BIN)/tapefarm bench stop $(STOP_ARGS)
	$(BIN)/tapefarm bench api $(API_ARGS)

soak: $(VENV)/.dev-stamp ## the tests that run for minutes
	$(BIN)/python -m pytest -m soak $(ARGS)

lock: ## refresh requirements/*.txt to the newest versions that pyproject.toml allows
	scripts/lock

clean: ## remove .venv and caches; data/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find api workers media tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	scripts/make-venv $(VENV)

# The stamps are newer than what they were made of; the interpreter is order-only, as its time
# is that of the system's Python.
$(VENV)/.run-stamp: requirements/run.txt pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements/run.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev-stamp: requirements/dev.txt $(VENV)/.run-stamp
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	touch $@
