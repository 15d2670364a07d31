# make demo   codes the example notes and says where the CSV and the page are
# make test   everything that has to pass: lint, types, tests, doctests, README and notebooks
# make test-gpu   one page about a CUDA device: tests and speed (docs/gpu.md); GPU=gpu13 for CUDA 13
# make lock   writes requirements.lock anew: what has to be installed, with the hashes of its files
# make licences   writes docs/licences.md anew, where all of requirements.lock is installed
# make docs   the pages as a site: build/docs/site; anything wrong with its links ends it
# make notebooks   runs the notebooks and keeps their outputs
# make told   writes anew what the rules find in the notes of tests/data; the difference is to be read before it is kept
# make outputs   writes docs/outputs.md anew: every column of every file
#
# PYTHON=python3.12 picks the interpreter (3.11 or newer), PIP_ARGS="..." goes to pip install.

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
DEMO ?= demo-output
BIN = $(VENV)/bin
# compiling everything that comes along takes a minute; Python compiles and keeps what is used
PIP = $(BIN)/python -m pip install --quiet --no-compile $(PIP_ARGS) -c constraints.txt
unexport PYTHONDONTWRITEBYTECODE
PYTEST_ARGS ?=
GPU ?= gpu

.PHONY: demo test test-gpu lint types lock licences told outputs docs notebooks clean

demo: $(VENV)/installed
	@echo "Coding the notes in examples/notes; the first run builds the ICD-10-CM index and keeps it."
	@$(BIN)/conceptmap code examples/notes -o $(DEMO) --format csv,html
	@echo
	@echo "codes, a row per note and code:        $(DEMO)/codes.csv"
	@echo "mentions, with spans and context:      $(DEMO)/mentions.csv"
	@echo "the notes with every word explained:   $(DEMO)/report.html"

test: lint types
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-gpu: $(VENV)/installed-dev
	@$(PIP) -e '.[$(GPU)]'
	$(BIN)/python benchmarks/gpu_page.py

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

lock: | $(BIN)/python
	@$(PIP) uv
	$(BIN)/uv pip compile pyproject.toml -c constraints.txt --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --no-emit-index-url --custom-compile-command "make lock" --quiet -o requirements.lock

licences: $(VENV)/installed
	$(BIN)/python tests/licences.py

outputs: $(VENV)/installed
	$(BIN)/python tests/data_dictionary.py

told: $(VENV)/installed-dev
	$(BIN)/python tests/test_texts_read.py
	$(BIN)/python tests/test_words_found.py
	$(BIN)/python tests/test_notes_told.py

docs: $(VENV)/installed-dev
	@$(BIN)/python tests/docs_site.py build/docs
	@echo "python3 -m http.server --directory build/docs/site    # then open http://localhost:8000/"

notebooks: $(VENV)/installed-dev
	$(BIN)/python tests/kept_notebooks.py

clean:
	rm -rf $(DEMO) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "conceptmap needs Python 3.11 or newer, got " + sys.version.split()[0] + "; say which with PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV), once ..."
	@$(PIP) -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the tests need into $(VENV), once ..."
	@$(PIP) -e '.[dev]'
	@touch $@
