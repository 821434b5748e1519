# Two commands do everything: `make dashboard` and `make test`. Only Debian's make and python3-venv are needed first.
PYTHON ?= python3
BIN    := .venv/bin
UV     := $(BIN)/python -m uv pip install --quiet --compile-bytecode --python $(BIN)/python
PORT   ?= 8866

.DEFAULT_GOAL := help
.PHONY: help dashboard lab demo docs test lint format lock wheel sbom clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

dashboard: .venv/.ready  ## install what is needed and serve the dashboards on the demonstration counties
	$(BIN)/balance dashboard --port $(PORT)

lab: .venv/.ready  ## open the notebooks in JupyterLab
	cd notebooks && JUPYTER_CONFIG_PATH=$(CURDIR)/notebooks/.jupyter ../$(BIN)/jupyter lab 00-start-here.ipynb

demo: .venv/.ready  ## rebuild the five demonstration counties
	$(BIN)/balance demo --out data/demo

test: .venv/.ready-test lint  ## install and run every check and test
	$(BIN)/python -m pytest --nbval-lax --nbval-current-env -n 2 dashboards
	$(BIN)/python -m pytest -n 3   # more than the cores: a third of the time is waiting for browsers and commands

lint: .venv/.ready-test  ## style, types and the order of the rooms
	$(BIN)/ruff check balance_lib tests
	$(BIN)/ruff format --check balance_lib tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: .venv/.ready-test  ## rewrite the sources in the common style
	$(BIN)/ruff check --fix balance_lib tests
	$(BIN)/ruff format balance_lib tests

docs: .venv/.ready-test  ## build the documentation (two languages, strict) into site/; open site/index.html
	$(BIN)/python docs/gallery.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

wheel: .venv/.ready-test  ## build the wheel: it alone serves the demonstration
	$(BIN)/python -m hatchling build -t wheel -d dist

lock: .venv/.ready  ## resolve the dependencies anew into the two lock files
	$(BIN)/python -m uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --extra all pyproject.toml -o requirements.lock
	$(BIN)/python -m uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --extra all --extra test --extra docs -c requirements.lock pyproject.toml -o requirements-test.lock

sbom: .venv/.ready  ## list what is served, with digests and licences, as CycloneDX in dist/sbom.json
	mkdir -p dist && $(BIN)/python docs/sbom.py > dist/sbom.json

clean:  ## remove the environment and everything built
	rm -rf .venv dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "Debian needs once: apt install make python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

.venv/.ready: $(BIN)/uv requirements.lock pyproject.toml
	$(UV) --require-hashes -r requirements.lock
	$(UV) --no-deps -e .
	@touch $@

.venv/.ready-test: .venv/.ready requirements-test.lock
	$(UV) --require-hashes -r requirements-test.lock
	@touch $@
