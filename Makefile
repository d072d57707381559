# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
TESTABLE := .venv/.testable
NOTEBOOKS := $(wildcard notebooks/*.ipynb)

.DEFAULT_GOAL := help
.PHONY: help install demo test check lint types imports coverage notebooks viz constraints clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 22

install: $(INSTALLED) ## Create .venv with everything that development and research need

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "crypto-kedro needs Python 3.11 or newer; name it with 'make PYTHON=/path/to/python3.11 ...'"; exit 1; }
	$(PYTHON) -m venv .venv
	@echo "Installing the environment (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' 2> .venv/install.log || \
		{ tail -n 20 .venv/install.log; exit 1; }
	@sh .ci/install-system-packages.sh
	@touch $@

$(TESTABLE): $(INSTALLED)
	@sh .ci/install-system-packages.sh tests
	@touch $@

demo: install ## Run the pipelines on the synthetic market, name the report, and trade half an hour of paper money in half a minute
	$(BIN)/kedro run
	$(BIN)/kedro run --env paper --params session.simulator.speed=60,session.minutes=30,session.face.port=0

test: $(TESTABLE) ## Run the fast tests
	$(BIN)/pytest --numprocesses 2 --dist loadfile

check: install lint types imports coverage demo notebooks viz ## Everything that CI runs

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

coverage: $(TESTABLE) # `make test`, measured, and the slow tests, which are twice as slow when measured
	$(BIN)/pytest --numprocesses 2 --dist loadfile --cov --cov-report=term
	$(BIN)/pytest --numprocesses 2 --dist loadfile -m slow --durations=15

notebooks: install ## Execute the notebooks on the data of the last run, into data/08_reporting/notebooks
	$(BIN)/jupyter nbconvert --to html --execute --output-dir data/08_reporting/notebooks $(NOTEBOOKS)

viz: install ## Build the static pipeline site into build/
	$(BIN)/kedro viz build --include-previews

constraints: ## Resolve constraints.txt anew (needs uv)
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --no-header --no-annotate --upgrade -o constraints.txt

clean: ## Remove the environment, caches and build results; data stays
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* src/*.egg-info
