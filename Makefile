# Two commands on a fresh machine with Python 3.11 or newer and make: `make book` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python

# A change in what is to be installed gives the stamp another name, so that the next command installs anew.
INSTALLED := $(VENV)/.installed-$(shell cat requirements.txt constraints.txt pyproject.toml weights/pyproject.toml | cksum | cut -d' ' -f1)

# The commands first: the tests that they time compare the pages of the book with the results of all others.
BENCH ?= commands import_time scenes scores attribution pages laboratory chapters training recipes

# One thread each: the tests are spread over the cores by process.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
export JUPYTER_PLATFORM_DIRS := 1

.DEFAULT_GOAL := help
.PHONY: help book test quick interop execute try sync check student quizzes slides pdf downloads new-chapter bench lint address release lock clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1#/p' Makefile | awk -F'#' '{ printf "  make %-12s %s\n", $$1, $$2 }'

book: $(INSTALLED)  ## build the executed edition and print where it is
	@$(RUN) -m tools.build

test: $(INSTALLED)  ## unit tests, book tests, and every chapter in the fast profile, in parallel
	SALKIT_PROFILE=fast $(ONE_THREAD) $(RUN) -m pytest tests book -n auto --dist loadfile \
	    --nbval-lax --nbval-current-env --nbval-cell-timeout=600 $(PYTEST)

quick: $(INSTALLED)  ## the tests nearest to what you changed, in under a minute; make test runs all
	@SALKIT_PROFILE=fast $(ONE_THREAD) $(RUN) -m tools.quick

interop: $(INSTALLED)  ## install what the tests also try things on: timm, transformers, nbgrader, readers of quizzes
	$(RUN) -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(RUN) -m pip install --quiet --group interop --group nbgrader --group quizzes --constraint constraints.txt

execute: $(INSTALLED)  ## run chapters in full and keep their outputs; CHAPTER=02 for one of them
	$(RUN) -m tools.chapters execute $(CHAPTER)

try: $(INSTALLED)  ## run chapters in the fast profile and write nothing; CHAPTER=02 for one of them
	$(RUN) -m tools.chapters try $(CHAPTER)

sync: $(INSTALLED)  ## carry the chapters' sources (.md) into their notebooks, keeping outputs; CONTRIBUTING.md has FROM=
	$(RUN) -m tools.chapters sync $(CHAPTER) $(if $(FROM),--from $(FROM)) $(if $(DISCARD),--discard)
	@$(RUN) -m tools.gallery

check: $(INSTALLED)  ## say what is wrong with the chapters' notebooks
	$(RUN) -m tools.chapters check

student: $(INSTALLED)  ## write the student edition to _build/student, and nbgrader's; SEED=7 for its hidden tests
	$(RUN) -m tools.student $(if $(SEED),--seed $(SEED))

quizzes: $(INSTALLED)  ## write the quizzes for Moodle (GIFT) and as QTI 2.1, in _build/quizzes
	$(RUN) -m tools.quizzes

slides: $(INSTALLED)  ## make slides from the chapters, in _build/slides; CHAPTER=02 for one of them
	$(RUN) -m tools.slides $(CHAPTER)

pdf: $(INSTALLED)  ## print the whole book as one PDF, with Chromium or Chrome
	@$(RUN) -m tools.pdf

downloads: $(INSTALLED)  ## make all that an edition publishes: pages with slides, the PDF, zips
	@$(RUN) -m tools.downloads

new-chapter: $(INSTALLED)  ## begin a chapter, for example NAME=smooth-maps
	@$(RUN) -m tools.new_chapter $(NAME)

bench: $(INSTALLED)  ## run every benchmark, hours without a GPU; BENCH="pages scores" for some of them
	@for name in $(BENCH); do echo "== $$name"; $(RUN) -m benchmarks.$$name || exit 1; done
	@$(RUN) -m tools.performance

lint: $(INSTALLED)  ## check the style and the types of the code
	$(BIN)/ruff check .
	$(BIN)/ty check

address: $(INSTALLED)  ## carry the address in pyproject.toml to wherever it is quoted
	$(RUN) -m tools.address
	$(RUN) -m tools.chapters sync

release: $(INSTALLED)  ## set the version everywhere, commit and tag it, for example VERSION=0.2.0
	@$(RUN) -m tools.release $(VERSION)

lock: interop  ## pin what is installed: requirements.txt, constraints.txt, binder/requirements.txt
	$(RUN) -m tools.lock

clean:  ## remove what was built; the environment in .venv stays
	rm -rf _build .pytest_cache .ruff_cache .hypothesis *.egg-info

$(INSTALLED): requirements.txt constraints.txt pyproject.toml weights/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "The book needs Python 3.11 or newer, and $(PYTHON) isn't. Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
	    exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || { \
	    echo "No virtual environment could be made. On Debian or Ubuntu: apt-get install python3-venv" >&2; \
	    rm -rf $(VENV); exit 1; }
	@echo "Installing into $(VENV): several gigabytes, so this takes a few minutes the first time."
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable . --editable weights
	@rm -f $(VENV)/.installed-*
	@touch $@
