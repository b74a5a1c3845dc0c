# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make help` lists the targets. Nothing needs to be installed by hand but git, make and a Python of 3.11 to 3.13.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

CORE ?= 2.19
FAULT ?=
PORT ?=
AREAS ?=
MINUTES ?= 60
COUNT ?=
SEED ?=
CLASS ?= all
VENV := .venv
RUN := $(VENV)/bin/python scripts/layers/run.py

# The Pythons that a release line of ansible-core runs on, the preferred one first.
pythons_2.19 := 3.11 3.12 3.13
pythons_2.21 := 3.13 3.12 3.14
ifeq ($(pythons_$(CORE)),)
$(error CORE=$(CORE) is not supported here: 2.19 (the default) or 2.21)
endif

# Each target with "##" behind it is a line of `make help`.
.PHONY: help
help: ## show this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  make %-18s %s\n' "$$name" "$$text"; done
	@echo "  with CORE=2.21 the newest supported ansible-core is used instead of the oldest ($(CORE))"

# --- the demo: no root, no services of the system, everything under .demo/ ---

.PHONY: demo demo-faults demo-clean
demo: $(VENV)/.core-$(CORE) ## run the weekly maintenance on a small demo Cryptobot; FAULT=name breaks it first, PORT=19000 moves it
	@DEMO_PORT=$(PORT) scripts/demo/run.sh $(FAULT)

demo-faults: $(VENV)/.core-$(CORE) ## list the faults that make demo FAULT=name can plant
	@$(VENV)/bin/python tests/demo/manage.py faults

demo-clean: ## stop the demo and remove it
	@if [ -d .demo ]; then $(VENV)/bin/python tests/demo/manage.py clean --root .demo; fi

# --- the tests: every layer, or one of them ---

.PHONY: test lint test-unit test-mutants test-package test-sanity test-demo test-report test-integration test-firewall fuzz-firewall test-windows test-backup test-faults test-long test-fleet cases
test: venv ## run every layer, side by side where it pays; logs are in .logs/
	@$(RUN) --all

lint: venv ## ruff, mypy, house rules, words, figures, shellcheck, PowerShell 5.1, yamllint, ansible-lint, changelog, generated docs
	@$(RUN) lint

test-unit: venv ## unit tests; those of the core under Python 3.9, 3.11 and 3.13 too
	@$(RUN) unit

test-mutants: venv ## plant a fixed sample of small mistakes in what decides: each must turn a unit test red
	@$(RUN) mutants

test-package: venv ## build the collection, install the tarball, use it
	@$(RUN) package

test-sanity: venv ## ansible-test sanity, offline
	@$(RUN) sanity

test-demo: venv ## the weekly run on the demo: planned, run, run again, each planted fault
	@$(RUN) demo

test-report: venv ## the report in a headless browser: no hostile log line may inject script
	@$(RUN) report

test-integration: venv ## parsers and judges against the real tools of this machine
	@$(RUN) integration

test-firewall: venv ## the firewall model held to the kernel: kept cases, a fixed seed of random rulesets, recorded scenarios
	@$(RUN) firewall

fuzz-firewall: venv ## random rulesets against the kernel: MINUTES=60 of them, or COUNT=3000; SEED=1 and CLASS=plain|exotic|all|alone repeat
	@$(VENV)/bin/python -m tests.fuzz.firewall.fuzz $(if $(COUNT),--count $(COUNT),--minutes $(MINUTES)) \
		--class $(CLASS) --seed $(or $(SEED),$(shell date +%s))

test-windows: venv ## the bridge and weekly.yml over WinRM, alone and among Linux and macOS, where pwsh is on PATH
	@$(RUN) windows

test-backup: venv ## sets and their way back for real: stores, copies elsewhere, restores, hostile archives, damage
	@$(RUN) backup

test-faults: venv ## kill -9, full disk, lost permission, corrupt archive
	@$(RUN) faults

test-long: venv ## races and damages by the hundred, of which test-faults and test-backup have the short form
	@LONG=1 $(VENV)/bin/pytest -m long tests/integration/faults tests/integration/backup

test-fleet: venv ## real systemd hosts, and the Molecule scenarios (needs root on Debian)
	@$(RUN) fleet

cases: venv ## run the tests of every fault that was once found, and print what became of each
	@$(VENV)/bin/python scripts/cases/run.py

# --- measurements and generated files ---

.PHONY: bench mutate docs format pins
bench: venv ## run the benchmarks of tests/benchmark and write .bench/results.json
	@$(RUN) bench

mutate: venv ## plant every small mistake, MINUTES=60 at most, and go on there next time; AREAS="services backup"
	@$(VENV)/bin/python scripts/mutate/run.py --minutes $(MINUTES) $(AREAS)

docs: venv ## write what the code says of itself: modules, action plugins, argument specs, pages of docs/
	@$(VENV)/bin/python scripts/docs/generate.py

format: venv ## format the Python files and sort their imports
	@$(VENV)/bin/ruff check --quiet --select I --fix .
	@$(VENV)/bin/ruff format .

pins: ## resolve requirements/*.in to exact versions in requirements/*.txt
	@scripts/python/pins.sh

# --- setting up and tidying ---

.PHONY: venv hooks collections build clean
venv: $(VENV)/.test-$(CORE) ## have everything that tests and checks need in .venv

# The marker files say what .venv holds; one of another release line makes it start anew.
$(VENV)/.core-$(CORE): requirements/core-$(CORE).txt
	@echo "installing ansible-core $(CORE) into $(VENV)"
	@scripts/python/venv.sh $(VENV) $(pythons_$(CORE))
	@rm -f $(VENV)/.core-* $(VENV)/.test-*
	@$(VENV)/bin/pip install -qq -r $<
	@touch $@

$(VENV)/.test-$(CORE): requirements/test.txt $(VENV)/.core-$(CORE)
	@echo "installing what the tests need into $(VENV)"
	@$(VENV)/bin/pip install -qq -r requirements/core-$(CORE).txt -r $<
	@touch $@

hooks: venv ## have git run the fast checks before each commit
	@$(VENV)/bin/pre-commit install

collections: venv ## fetch the collections that fleet tests and benchmarks compare with
	@$(VENV)/bin/python scripts/collections/fetch.py

build: $(VENV)/.core-$(CORE) ## build the collection's tarball
	@$(VENV)/bin/ansible-galaxy collection build --force

clean: demo-clean ## remove everything that the other targets made in the checkout
	@rm -rf $(VENV) .venv-unit .bench .logs .mutate .ansible .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		tests/output cryptobot-maintenance-*.tar.gz
	@find . -name __pycache__ -prune -exec rm -rf {} +
