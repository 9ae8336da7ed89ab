# The one entry point. `make help` names every target.

# The book's Python: PYTHON=python3.12 decides; else bootstrap.py, run by any, takes the newest here.
ANY = $(or $(PYTHON),python3)
BOOTSTRAP = $(if $(shell command -v $(firstword $(ANY)) 2> /dev/null),$(ANY) bootstrap.py,$(error \
    There is no $(ANY): name a Python that is here, as in `make book PYTHON=python3.13`))
RUN := .venv/bin/python -m recorder.told
MACHINE := tests/recorder tests/press tests/proof tests/test_bootstrap.py

# Also for who has no home: matplotlib's list of fonts.
export MPLCONFIGDIR ?= $(CURDIR)/build/matplotlib
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH  # a reader's own: here they hide what belongs here

.DEFAULT_GOAL := help
.PHONY: help book runs long figures html pdf epub dist site check test prove audit bench lock readmes clean setup setup-test

help:  ## name every target
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

book: setup  ## everything: run the scripts, draw the figures, make HTML, PDF and EPUB
	@$(RUN) press.system.bubblewrap
	@$(RUN) press.system.texlive
	@$(MAKE) --no-print-directory pdf  # first: the web pages cite its page numbers
	@$(MAKE) --no-print-directory epub
	@$(MAKE) --no-print-directory html  # last: they offer the others

runs: setup  ## run what is missing or stale (FRESH=1: without the cache; FROM=archive: an edition's)
	@$(RUN) recorder $(if $(FROM),--from "$(FROM)")

long: setup  ## record the long experiments that have no record, or a stale one (NAME=microgpt): hours
	@$(RUN) recorder --long $(NAME)

figures: runs  ## draw the figures of the transcripts that changed
	@$(RUN) press.path
	$(if $(filter 1,$(DRAFT)),-)@$(RUN) press.figures.draw  # a draft shows old ones then

html: figures  ## build/html/index.html, without TeX (DRAFT=1: pages whatever their claims, in build/html-draft)
	@$(RUN) press.run
	@$(RUN) press.build html

pdf: figures  ## build/no-magic.pdf and a PDF a chapter (PAPER=letter; DRAFT=1: a fast look)
	@$(RUN) press.system.texlive
	@$(RUN) press.build pdf

epub: figures  ## build/no-magic.epub (needs no TeX)
	@$(RUN) press.build epub

dist: setup  ## build/dist/: all files of an edition, named with its version, and their SHA256SUMS
	@$(MAKE) --no-print-directory pdf DRAFT= PAPER=letter
	@$(MAKE) --no-print-directory pdf DRAFT= PAPER=a4
	@rm -f build/.html-made build/.epub-made  # begun anew: no trace of earlier builds
	@$(MAKE) --no-print-directory epub
	@$(MAKE) --no-print-directory html
	@$(RUN) press.dist

site: setup  ## build/site/: the web pages, the books and what machines read, for any static host
	@$(MAKE) --no-print-directory pdf DRAFT= PAPER=a4
	@$(MAKE) --no-print-directory epub DRAFT=
	@$(MAKE) --no-print-directory html DRAFT=
	@$(RUN) press.site

check: setup-test  ## style, types and house rules, in seconds
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/python -m pytest tests/test_house.py
	@$(RUN) recorder.budget

test: check book  ## everything: check, the book, a sample of its runs again, tests of what changed (ALL=1: all tests)
	@$(RUN) press.system.chromium
	@$(RUN) press.system.firefox
	@rm -f build/tested.json
	@TESTED=build/tested.json $(RUN) proof again
	@TESTED=build/tested.json .venv/bin/python -m pytest -n 2 --dist loadfile $(MACHINE)
	@TESTED=build/tested.json .venv/bin/python -m pytest -n 2 --dist loadfile tests $(addprefix --ignore=,$(MACHINE))  # JAX allows no forks after it

prove: setup-test book  ## the same numbers everywhere, nothing lost: well over an hour the first time (PARTS="seeds:2 wasm")
	@.venv/bin/python -m proof $(PARTS)

audit: setup-test  ## are all packages locked, the installed ones those, and free of known faults?
	@$(RUN) press.audit

bench: setup-test book  ## print what scripts and builds cost, how that grows, and ratios to an older commit: an hour
	@$(RUN) bench
	@$(RUN) press.system.chromium
	@$(RUN) press.system.firefox
	@$(RUN) bench.pages

lock:  ## write the lock files from pyproject.toml (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url --extra test pyproject.toml -c requirements.lock -o requirements-test.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url --group audit -o requirements-audit.lock

readmes: setup  ## write scripts/*/README.md from the chapters' headers
	@$(RUN) press.readmes

clean:  ## remove everything that was made, except .venv and the cache of runs
	rm -rf build

setup:
	@$(BOOTSTRAP) requirements.lock $(if $(PYTHON),--this)

setup-test:
	@$(BOOTSTRAP) requirements-test.lock $(if $(PYTHON),--this)
