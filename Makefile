# Everything runs from a bare clone: each target makes its own .venv and installs what it needs.
# A stamp file for each set of extras makes that happen once, and again when pyproject.toml changes.
#
#   make demo        make test        make help

PYTHON ?= python3
VENV   ?= .venv
OUT    ?= out
JOBS   ?= 2

BIN := $(VENV)/bin
stamp = $(VENV)/.installed-$(1)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format types doctest examples docs bench clean

help: ## say what each target does
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: $(call stamp,demo) ## run the main job: circuits, spiral, digits, NIST fits; report in out/
	@echo "== demo: writing the report and its pictures to $(OUT)/"
	$(BIN)/wengert demo --out $(OUT)

test: $(call stamp,test) ## run the test suite on JOBS=2 processes
	@echo "== test: pytest on $(JOBS) processes"
	$(BIN)/python -m pytest -n $(JOBS)

lint: $(call stamp,lint) ## check style and formatting with ruff
	@echo "== lint: ruff check, ruff format --check"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(call stamp,lint) ## rewrite the files in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(call stamp,lint) ## check the types with mypy
	@echo "== types: mypy over src/wengert"
	$(BIN)/mypy

doctest: $(call stamp,test) ## run every example in the docstrings, the docs and the README
	@echo "== doctest: examples in src/, docs/ and README.md"
	$(BIN)/python -m pytest --doctest-modules -q src docs README.md

examples: $(call stamp,demo) ## run each file of examples/ by itself
	@echo "== examples"
	@set -e; for example in examples/*.py; do \
		echo "-- $$example"; MPLBACKEND=agg $(BIN)/python -W error "$$example"; \
	done

docs: $(call stamp,docs) ## build the documentation; a warning is an error
	@echo "== docs: HTML in $(OUT)/docs"
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env -q -b html \
		-d $(OUT)/doctrees docs $(OUT)/docs

bench: $(call stamp,bench) ## measure against the peers; table and plots in benchmarks/
	@echo "== bench: medians against the peers, in one run"
	$(BIN)/python -m benchmarks

clean: ## remove what the targets made, .venv included
	rm -rf $(VENV) $(OUT) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@echo "== set-up: a virtual environment in $(VENV), from $(PYTHON)"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	@echo "== set-up: wengert with the extra '$*', into $(VENV)"
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	@touch $@
