# Two commands do everything: `make demo` and `make test`. They need python3 (3.11 or newer), make and git, no more.
# Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3
PYTEST_ARGS ?=

BIN := .venv/bin
STAMP := .venv/installed.txt
LOG := install.log
LIGHTNING := .lightning

# What an environment is tied to: its scripts hold this folder's path, its packages belong to one Python. Where either
# has changed the stamp is stale and the environment is made anew.
IDENTITY := $(shell "$(PYTHON)" -c 'import os, sys; print(sys.version.split()[0], os.getcwd())' 2>/dev/null)
INSTALLED := $(shell cat $(STAMP) 2>/dev/null)
ifneq ($(INSTALLED),$(IDENTITY))
.PHONY: $(STAMP)
INSTALLED :=
endif

.DEFAULT_GOAL := help
.PHONY: help demo test check format gate docs kill-test bench install clean

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo 'Another Python: make test PYTHON=python3.12'

demo: $(STAMP)  ## the whole loop on procedural images; ends with its report and a table
	@echo 'Running the study demo'
	@$(BIN)/imil-sim run demo

# The tests come last, so that their count is the last line.
test: check  ## lint, types and tests (PYTEST_ARGS="-k grid" for a few)
	@$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal --durations=10 $(PYTEST_ARGS)

check: $(STAMP)  ## lint and types only
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP)  ## rewrite the sources as the linter wants them
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# On the machine of the baseline every number is equal to the bit; on another one the margins of the study hold.
gate: $(STAMP)  ## the study ci: what must hold between its arms holds (a minute)
	@$(BIN)/imil-sim check ci --baseline tests/baselines/ci.json

docs: $(STAMP)  ## the documentation as a site in site/, which needs no network
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[docs]'
	@mkdir -p docs/generated
	@cp reports/demo/figures/contact-sheet.png docs/generated/
	@$(BIN)/imil-sim oracles --gallery docs/generated/gallery.png
	@$(BIN)/mkdocs build --quiet
	@echo 'site/index.html'

kill-test: $(STAMP)  ## kills a study at 30 random moments, resumes it and compares the bytes (ten minutes)
	@$(BIN)/python tests/kill/killing.py --kills 30

# A benchmark that misses its target says so; those after it are measured all the same.
bench: $(STAMP) $(LIGHTNING)/installed.txt  ## what it costs, beside Lightning (half an hour, idle machine)
	-@$(BIN)/python -m benchmarks.throughput
	-@$(BIN)/python -m benchmarks.planning
	-@$(BIN)/python -m benchmarks.overhead
	-@$(BIN)/python -m benchmarks.statistics
	-@$(BIN)/python -m benchmarks.reporting
	-@$(BIN)/python -m benchmarks.sharing
	-@$(BIN)/python -m benchmarks.against_lightning --lightning $(LIGHTNING)

install: $(STAMP)  ## only make .venv; the others do so themselves, once

clean:  ## remove .venv, .lightning, caches and build outputs; keeps runs/ and reports/
	rm -rf .venv .lightning .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist $(LOG)
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# The stamp goes first and comes last: an install that failed or was interrupted is not taken for a good one, and the
# next call starts from an empty environment. A good one whose requirements changed is brought up to date in place.
$(STAMP): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo 'imil-sim needs Python 3.11 or newer with its modules venv and ensurepip (Debian, Ubuntu: python3-venv);' \
	    'found $(PYTHON):' "$$("$(PYTHON)" --version 2>&1)." 'Name another one: make $(MAKECMDGOALS) PYTHON=python3.12'; \
	    exit 1; } >&2
	@rm -f $(STAMP)
	@echo 'Making .venv'
	@"$(PYTHON)" -m venv $(if $(INSTALLED),,--clear) .venv
	@echo 'Installing imil-sim and what it needs into .venv (once; PyTorch is a large download); see $(LOG)'
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]' \
	    > $(LOG) 2>&1 || { tail -n 3 $(LOG); echo 'The installation failed; all that pip said is in $(LOG)'; exit 1; } >&2
	@echo '$(IDENTITY)' > $(STAMP)

# Lightning is what a benchmark compares with: it stays out of .venv, whose packages are the tested set.
$(LIGHTNING)/installed.txt: benchmarks/requirements-lightning.txt | $(STAMP)
	@rm -rf $(LIGHTNING)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --target $(LIGHTNING) --requirement $<
	@touch $@
