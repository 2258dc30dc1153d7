# Every target makes what it needs: Python 3.11 or newer with venv, and make, are enough to begin.
# PYTHON=python3.12 make test     chooses the interpreter
# make test VENV=.venv-3.13 PYTHON=python3.13     beside the environment that is there
# make test ARGS="-k interval"    hands arguments to pytest

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help demo demo-multicast demo-ring test lint check fix report bench peers campaign soak fuzz docs package clean

help: ## say what there is
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED) ## measure three wrong clocks, and print the truth beside it
	@$(BIN)/python -m tools.demo_measure

demo-multicast: $(INSTALLED) ## three processes multicast; their orders must have one digest
	@$(BIN)/python -m tools.demo_multicast

demo-ring: $(INSTALLED) ## three members through a pulled cable, a kill -9 and two merges (root on Linux)
	@$(BIN)/python -m tools.ring_demo

test: $(INSTALLED) ## run the whole suite
	@$(BIN)/python -m pytest $(ARGS)

lint: $(INSTALLED) ## format, lint and types, without changing anything
	@$(BIN)/ruff format --check --output-format concise . || { echo 'to repair: make fix'; exit 1; }
	@$(BIN)/ruff check --output-format concise .
	@$(BIN)/mypy

check: lint test ## all that CI checks; stops at the first failure

fix: $(INSTALLED) ## format, and repair what lint can repair
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

report: $(INSTALLED) ## every figure beside its peers, as one page (root on Linux; hours; ARGS=--quick: minutes)
	@$(BIN)/python -m tools.peers fetch --all || echo 'going on without the peers that are missing'
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet -e '.[bench]' -c constraints.txt || \
		echo 'going on without the packages that are missing'
	@$(BIN)/python -m benchmarks.report $(ARGS)

bench: report ## the same, by its old name

peers: $(INSTALLED) ## fetch chrony, ntpsec and linuxptp into .peers, without installing them
	@$(BIN)/python -m tools.peers fetch

campaign: $(INSTALLED) ## thousands of simulated runs with fresh seeds
	@$(BIN)/python -m tools.campaign $(ARGS)

soak: $(INSTALLED) ## a ring under full load and random faults, half an hour (root on Linux)
	@$(BIN)/python -m tools.soak $(ARGS)

fuzz: $(INSTALLED) ## throw bytes at every decoder, for longer than CI does
	@$(BIN)/python -m tests.fuzz $(ARGS)

docs: $(INSTALLED) ## build the documentation site into out/site, strictly; what commands print is checked by make test
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo 'open out/site/index.html'

package: $(INSTALLED) ## build wheel and sdist, and try them with and without each extra (minutes)
	@$(BIN)/python -m tools.packages $(ARGS)

clean: ## remove what the other targets made
	@rm -rf .venv .venv-* .peers .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist out/site *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is touched last: an installation that broke off is begun again.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || { \
		echo '$(PYTHON) is not Python 3.11 or newer with venv: set PYTHON, or apt-get install python3-venv'; exit 2; }
	@echo 'making $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet -e '.[dev]' -c constraints.txt
	@touch $@
