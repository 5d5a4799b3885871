PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
TEST_WORKERS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := runs/demo

.PHONY: help demo browser test lint types mutants format clean

help:
	@echo "make demo    repair 1,297 digits, four in ten of which are wrongly labelled, and show the result"
	@echo "make test    run the tests"
	@echo "make browser get the Chromium that some of the tests drive; they are skipped without it"
	@echo "make lint    check the style and the layers;  make format  repairs what it can"
	@echo "make types   check the types"
	@echo "make mutants change the algorithms line by line and see whether a test notices (hours; it goes on where it stopped)"
	@echo "make clean   remove the virtual environment $(VENV)"

demo: $(STAMP)
	$(BIN)/labelmend fit digits --widths 32,64,128 --epochs 30 --noise instance-per-class:0.4:seed=0 --out $(DEMO) --overwrite
	@echo "Every file of the run is explained in $(DEMO)/README.txt"

browser:
	@if command -v chromium >/dev/null; then echo "chromium is there: $$(command -v chromium)"; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null || \
	    echo "chromium cannot be installed here; the tests of pages are skipped" >&2; \
	else echo "for the tests of pages install Chromium: sudo apt-get install chromium" >&2; fi

test: $(STAMP)
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

mutants: $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[mutants]'
	OMP_NUM_THREADS=1 $(BIN)/mutmut run --max-children $(TEST_WORKERS)
	$(BIN)/mutmut results

format: $(STAMP)
	$(BIN)/ruff check --fix src tests benchmarks docs
	$(BIN)/ruff format src tests benchmarks docs

clean:
	rm -rf $(VENV)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "labelmend needs Python 3.11 or later, found: $$($(PYTHON) --version 2>&1);" \
	    "name one with make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "cannot create a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	@touch $@
