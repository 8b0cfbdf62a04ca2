# make demo | test | test-all | test-isa | lint | format | clean. Each sets up .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-all test-avx2 test-isa lint format clean
.DEFAULT_GOAL := demo

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "seqcli needs Python 3.10 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/seqcli demo

test: $(READY)
	$(BIN)/pytest

test-all: $(READY)
	$(BIN)/pytest -m ''

# as on a processor without AVX-512 and bf16 units, and as on one without AVX2, with all threads and with one
AVX2 := ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2
OLD := ONEDNN_MAX_CPU_ISA=SSE41 ATEN_CPU_CAPABILITY=default

test-avx2: $(READY)
	$(AVX2) $(BIN)/pytest

test-isa: test-avx2
	$(AVX2) OMP_NUM_THREADS=1 $(BIN)/pytest
	$(OLD) $(BIN)/pytest
	$(OLD) OMP_NUM_THREADS=1 $(BIN)/pytest

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
