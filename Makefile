# Two commands do everything: `make demo` and `make test`. They need python3 (3.11 or newer), make and git, no more.
# Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3
PYTEST_ARGS ?=

BIN := .venv/bin
STAMP := .venv/installed.txt
LIGHTNING := .lightning

# What an environment is tied to: its scripts hold this folder's path, its packages belong to one Python. Where either
# has changed the stamp is stale and the environment is made anew.
IDENTITY := $(shell "$(PYTHON)" -c 'import os, sys; print(".".join(map(str, sys.version_info[:3])) + " " + os.getcwd())' 2>/dev/null)
INSTALLED := $(shell cat $(STAMP) 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help demo test check format gate docs kill-test bench install clean

help:
	@echo 'make demo      the whole loop on procedural images; ends with its report and a table'
	@echo 'make test      lint, types and tests (PYTEST_ARGS="-k grid" for a few)'
	@echo 'make check     lint and types only'
	@echo 'make format    rewrite the sources as the linter wants them'
	@echo 'make gate      the study ci: what must hold between its arms holds (a minute)'
	@echo 'make docs      the documentation as a site in site/, which needs no network'
	@echo 'make kill-test kills a study at 30 random moments, resumes it and compares the bytes (about ten minutes)'
	@echo 'make bench     what it costs: speed, planning, sharing, overhead, reports, beside Lightning (half an hour, idle machine)'
	@echo 'make install   only make .venv; the others do so themselves, once'
	@echo 'make clean     remove .venv, .lightning, caches and build outputs; keeps runs/ and reports/'
	@echo 'Another Python: make test PYTHON=python3.12'

demo: $(STAMP)
	@$(BIN)/imil-sim run demo

# The tests come last, so that their count is the last line.
test: check
	@$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal --durations=10 $(PYTEST_ARGS)

check: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

kill-test: $(STAMP)
	@$(BIN)/python tests/kill/killing.py --kills 30

# On the machine of the baseline every number is equal to the bit; on another one the margins of the study hold.
gate: $(STAMP)
	@$(BIN)/imil-sim check ci --baseline tests/baselines/ci.json

docs: $(STAMP)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[docs]'
	@mkdir -p docs/generated
	@cp reports/demo/figures/contact-sheet.png docs/generated/
	@$(BIN)/imil-sim oracles --gallery docs/generated/gallery.png
	@$(BIN)/mkdocs build --quiet
	@echo 'site/index.html'

# A benchmark that misses its target says so; those after it are measured all the same.
bench: $(STAMP) $(LIGHTNING)/installed.txt
	-@$(BIN)/python -m benchmarks.throughput
	-@$(BIN)/python -m benchmarks.planning
	-@$(BIN)/python -m benchmarks.overhead
	-@$(BIN)/python -m benchmarks.statistics
	-@$(BIN)/python -m benchmarks.reporting
	-@$(BIN)/python -m benchmarks.sharing
	-@$(BIN)/python -m benchmarks.against_lightning --lightning $(LIGHTNING)

install: $(STAMP)

# The stamp goes first and comes last: an install that failed or was interrupted is not taken for a good one, and the
# next call starts from an empty environment. A good one whose requirements changed is brought up to date in place.
$(STAMP): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" > /dev/null || { \
	    echo 'There is no $(PYTHON) on this machine. Name a Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=...'; \
	    exit 1; } >&2
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'imil-sim needs Python 3.11 or newer; $(PYTHON) is' "$$("$(PYTHON)" --version 2>&1)."; \
	    echo 'Name another one, for instance: make $(MAKECMDGOALS) PYTHON=python3.12'; exit 1; } >&2
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo '$(PYTHON) cannot make virtual environments: its module venv or ensurepip is missing.'; \
	    echo 'Install it (Debian, Ubuntu: the package python3-venv), or name another: make $(MAKECMDGOALS) PYTHON=...'; \
	    exit 1; } >&2
	@echo 'Installing into .venv (once; about a minute beside the download of PyTorch)'
	@rm -f $(STAMP)
	@"$(PYTHON)" -m venv $(if $(INSTALLED),,--clear) .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@echo '$(IDENTITY)' > $(STAMP)

# Lightning is what a benchmark compares with: it stays out of .venv, whose packages are the tested set.
$(LIGHTNING)/installed.txt: benchmarks/requirements-lightning.txt | $(STAMP)
	@rm -rf $(LIGHTNING)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --target $(LIGHTNING) --requirement $<
	@touch $@

ifneq ($(INSTALLED),$(IDENTITY))
.PHONY: $(STAMP)
INSTALLED :=
endif

clean:
	rm -rf .venv .lightning .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
