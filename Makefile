# Each target makes its own environment in .venv when it is missing or older than what is to be installed.
PYTHON ?= python3
PIP_OPTIONS ?=
TESTS = not slow and not thorough
# Byte code is kept, whatever the shell says: else each worker and each command compiles all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint check

demo: .venv/.installed  ## fit on real photographs, inspect, write a report
	.venv/bin/urushi demo

test: .venv/.installed  ## the quick tests
	.venv/bin/pytest -m "$(TESTS)"

lint: .venv/.installed  ## style, types, layering
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

check: lint  ## all that must pass before a merge, thorough and slow tests too
	.venv/bin/pytest

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -q -c constraints.txt --upgrade pip  # the one that comes with Python finds what fits in twice the time
	.venv/bin/pip install $(PIP_OPTIONS) -c constraints.txt -e '.[dev]'
	touch $@
