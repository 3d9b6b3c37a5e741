# Campaign Pulse. Needs python3 (3.11 or newer), Java 17 and Maven; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := infra/python/constraints.txt
INSTALLED := $(VENV)/installed
CODE := schemas pipeline connectors agents tests
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install run check test bench operations schemas clean

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done

install: $(INSTALLED) ## Make .venv with everything pinned (does nothing when it is up to date)

# What it says goes to stderr: the last line of `make run ARGS="--json"` on stdout is the summary.
$(INSTALLED): pyproject.toml $(CONSTRAINTS) $(wildcard pipeline/native_c/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Campaign Pulse needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try make PYTHON=python3.11")'
	@echo "installing into $(VENV) (once, a minute or two)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) >&2
	@$(BIN)/python -m pip install --disable-pip-version-check -qq --constraint $(CONSTRAINTS) --editable '.[dev]' >&2
	@$(BIN)/python -m connectors.local.kafka_jars >&2 || echo "going on without a local Kafka: an external one will be needed" >&2
	@touch $@

run: $(INSTALLED) ## Start everything here: make run ARGS="--duration 60s --json"
	@$(BIN)/pulse up $(ARGS)

check: $(INSTALLED) ## Format, lint, types, layers and the quick tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q tests/unit tests/contract tests/property tests/golden

test: $(INSTALLED) ## Every test, on a real Kafka and a real ClickHouse
	@$(BIN)/pytest $(ARGS)

bench: $(INSTALLED) ## Measure this program and its peers: make bench ARGS="--quick"
	@$(BIN)/pulse bench $(ARGS)

operations: $(INSTALLED) ## Accept what the core costs now; make check holds it to that
	@$(BIN)/python -m tests.contract.core_operations

schemas: $(INSTALLED) ## Write schemas/json and infra/CONFIGURATION.md from the code
	@$(BIN)/python -m tests.contract.generated

clean: ## Remove .venv and caches (data in .pulse stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	@find $(CODE) infra -name __pycache__ -type d -prune -exec rm -rf {} +
