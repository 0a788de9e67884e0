# What a developer types. Needs bash, make and python3 (3.11 or newer, with venv); nothing has to be installed by hand.
# `make sam-validate` and `make build` also need python3.13, the functions' runtime: see below.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
PYTHON313 ?= python3.13
UV ?= uv

# The lock is complete, so pip resolves nothing; and nothing is built, so no package's set-up code runs.
PIP_FLAGS = --quiet --disable-pip-version-check --no-input
PIP_LOCKED = $(PIP_FLAGS) --no-deps --only-binary=:all: --require-hashes

BORROWERS ?= 44
DAYS ?= 90
SEED ?= 1
MINUTES ?= 1

.PHONY: help setup demo chaos bench test prove check lint format sam-validate build lock clean distclean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

# ── The environment ──────────────────────────────────────────────────────────────────────────────────────────────────

setup: .venv/.installed ## Make .venv from the locked requirements, with the command at .venv/bin/dunlin

.venv/.installed: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Dunlin needs Python 3.11 or newer: make setup PYTHON=/path/to/python3.11' >&2; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv \
		|| { echo 'Python has no venv module: on Debian, apt-get install python3-venv' >&2; exit 1; }
	.venv/bin/python -m pip install $(PIP_LOCKED) --requirement requirements/dev.txt
	.venv/bin/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation --editable .
	@touch $@

# ── Run it ───────────────────────────────────────────────────────────────────────────────────────────────────────────

demo: setup ## Ninety days of a portfolio on one machine; figures in build/demo.json, a page in build/demo.html
	@mkdir -p build
	.venv/bin/dunlin demo --borrowers $(BORROWERS) --days $(DAYS) --seed $(SEED) \
		--json build/demo.json --report build/demo.html

chaos: setup ## Storm after storm, for MINUTES=1 from SEED=1; figures in build/chaos.json
	@mkdir -p build
	.venv/bin/dunlin chaos --seed $(SEED) --minutes $(MINUTES) --json build/chaos.json

bench: setup build ## Operations, cost, processor time, start-up, sizes; figures in build/bench.json
	@mkdir -p build
	PYTHON313="$(PYTHON313)" .venv/bin/dunlin bench --json build/bench.json

# ── Prove it ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test: setup ## The tests, and the branches they cover
	.venv/bin/python -m pytest -n auto --dist loadscope -m 'not proof' --cov --cov-branch --cov-fail-under=90

prove: setup ## The adversaries that take longer: every order, every fault, deep histories, planted personal data
	.venv/bin/python -m pytest -n auto --dist load -m proof

check: setup ## The inner loop: style, types, the quick tests
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/python -m pytest -q -n auto --dist loadscope -m 'not slow and not proof'

lint: setup ## Style, types, the template, the state machine, the lock
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/cfn-lint --non-zero-exit-code informational
	.venv/bin/python -m pytest -q tests/infra
	.venv/bin/python -m pip check --disable-pip-version-check

format: setup ## Put the style right where a tool can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# ── Deploy it ────────────────────────────────────────────────────────────────────────────────────────────────────────
# The SAM CLI has an environment of its own, because it pins what the application must not. It is made from python3.13,
# so that `sam build` finds the runtime's interpreter, with pip, first on its path: bytecode of another version would be
# ignored in Lambda without a word.

SAM = PATH="$(CURDIR)/.venv-sam/bin:$$PATH" SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION="$${AWS_DEFAULT_REGION:-us-east-1}" \
	.venv-sam/bin/sam

.venv-sam/.installed: requirements/sam.txt
	@$(PYTHON313) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' \
		|| { echo 'The SAM CLI needs python3.13 here: make build PYTHON313=/path/to/python3.13' >&2; exit 1; }
	@.venv-sam/bin/python3.13 -m pip --version >/dev/null 2>&1 || $(PYTHON313) -m venv --clear .venv-sam
	.venv-sam/bin/python -m pip install $(PIP_LOCKED) --requirement requirements/sam.txt
	@touch $@

sam-validate: .venv-sam/.installed ## The template, as the SAM CLI sees it
	$(SAM) validate --lint

build: .venv-sam/.installed ## What `sam deploy` uploads, in .aws-sam/build
	$(SAM) build

# ── Keep it ──────────────────────────────────────────────────────────────────────────────────────────────────────────
# Locks hold for every Python from 3.11 and every platform. The layer's comes first and binds the others, so that tests
# run on what is deployed. `make lock` keeps versions; `make lock UPGRADE=--upgrade` takes new ones. Only this needs uv.

COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-header $(UPGRADE)
UPGRADE ?=

lock: ## Write the locked requirements anew (needs uv)
	$(COMPILE) --python-version 3.11 layers/dunlin/requirements.in --output-file layers/dunlin/requirements.txt
	$(COMPILE) --python-version 3.11 requirements/local.in --output-file requirements/local.txt
	$(COMPILE) --python-version 3.11 requirements/dev.in --output-file requirements/dev.txt
	$(COMPILE) --python-version 3.13 requirements/sam.in --output-file requirements/sam.txt

clean: ## Remove what was made, but not the environments
	rm -rf build dist .aws-sam .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find functions layers local tests -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## Remove the environments too
	rm -rf .venv .venv-sam *.egg-info
