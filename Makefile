# Everything a person does with a checkout. `make note` and `make test` set up what they need by themselves.
#
#   make note DATASET=fashion-mnist OUT=out/full      another data set, another place
#   make note PYTHON=python3.12                       another Python (3.11 or newer)

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
DATASET ?= fashion-mnist-sample
OUT     ?= out/note
PYTEST  ?=

CREATED := $(VENV)/.created
NOTES   := $(VENV)/.installed-notes
DEV     := $(VENV)/.installed-dev
PIP     := $(BIN)/python -m pip --disable-pip-version-check install -c constraints.txt

.DEFAULT_GOAL := help
# Two files of tests at a time, one thread each: two threads in each of two processes would wait for one another.
SIDE ?= -n 2 --dist loadfile

.PHONY: help note notebooks docs test test-all check format bench clean venv

help:  ## this list
	@echo "make note       the technical note on optimisers, from the embedded real sample, in $(OUT)"
	@echo "make notebooks  the notebooks, executed, in both languages, in notebooks/"
	@echo "make docs       the site of the documentation, in out/docs"
	@echo "make test       every test but the slow ones"
	@echo "make test-all   every test"
	@echo "make check      style, types, and which room imports which"
	@echo "make format     put the code into the one style"
	@echo "make bench      steps per second against hand-written loops; the price of watching, of checkpoints, of two devices"
	@echo "make venv       only an empty environment in $(VENV)"
	@echo "make clean      remove what was built and written here ($(VENV), out, dist, caches)"

note: $(NOTES)  ## run the study and write the note
	$(BIN)/passo note optimizers --dataset $(DATASET) --out $(OUT)
	@echo "The note is in $(OUT): open its .html file in a browser; nothing is fetched from outside."

notebooks: $(DEV)  ## the notebooks, executed
	$(BIN)/python scripts/notebooks.py $(NOTEBOOKS)

docs: $(DEV)  ## the site of the documentation
	$(BIN)/python scripts/site.py out/docs
	@echo "The site is in out/docs: open index.html in a browser; nothing is fetched from outside."

test: $(DEV)  ## every test but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SIDE) -m "not slow" $(PYTEST)

test-all: $(DEV)  ## every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SIDE) $(PYTEST)

check: $(DEV)  ## style, types, import order
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python tests/promises/rooms.py

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV)
	$(BIN)/python benchmarks/single_run.py --out out/benchmarks/single_run.json
	$(BIN)/python benchmarks/microscope.py --out out/benchmarks/microscope.json
	$(BIN)/python benchmarks/checkpoints.py --out out/benchmarks/checkpoints.json
	$(BIN)/python benchmarks/devices.py --out out/benchmarks/devices.json
	$(BIN)/python benchmarks/data_size.py --out out/benchmarks/data_size.json
	$(BIN)/python benchmarks/replicas.py --out out/benchmarks/replicas.json

venv: $(CREATED)

# A stamp, so that an environment whose making was broken off is made again.
$(CREATED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "passo needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." \
	       "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv $(VENV)' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(NOTES): $(CREATED) pyproject.toml constraints.txt
	@echo "Installing passo and what a note needs into $(VENV) (torch is large; a few minutes the first time)"
	$(PIP) -e '.[notes]'
	@touch $@

$(DEV): $(CREATED) pyproject.toml constraints.txt
	@echo "Installing passo and what the tests need into $(VENV) (torch is large; a few minutes the first time)"
	$(PIP) -e '.[dev]'
	@touch $@ $(NOTES)

clean:
	rm -rf $(VENV) out dist build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
