# isogloss: `make` says what there is.
#
# Everything lands in .venv and build; `make clean` takes both away. Set-up runs once, and again when a file of
# requirements/ or pyproject.toml changes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
STAMPS := $(VENV)/.stamps
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PINS := requirements
JOBS ?= 2
BENCHES := $(sort $(wildcard benchmarks/bench_*.py))

export PIP_NO_INPUT := 1
# Runs start many processes: what is compiled once need not be compiled by each.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## say what there is
	@echo "usage: make TARGET"
	@echo
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

# Set-up ------------------------------------------------------------------------------------------------------

.PHONY: install
install: $(STAMPS)/base ## make .venv with the command .venv/bin/isogloss

.PHONY: install-models
install-models: $(STAMPS)/models ## add torch, LASER, SimAlign, Hugging Face models (large)

.PHONY: install-dev
install-dev: $(STAMPS)/dev ## add the tests' and checks' tools

$(STAMPS)/venv:
	@test -n "$(PYTHON)" || { echo "isogloss needs Python 3.11, 3.12 or 3.13, and there is no python3 here" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "isogloss needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is $$("$(PYTHON)" --version); try: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# fasttext has no wheels: it is built with the pinned numpy, pybind11 and setuptools, and a C++ compiler.
$(STAMPS)/base: $(STAMPS)/venv $(PINS)/base.txt $(PINS)/source.txt pyproject.toml
	$(PIP) --no-deps --requirement $(PINS)/base.txt
	@command -v "$${CXX:-c++}" >/dev/null || command -v g++ >/dev/null || { \
		echo "fasttext is built here and needs a C++ compiler (Debian: apt-get install g++ python3-dev)" >&2; exit 1; }
	$(PIP) --no-deps --no-build-isolation --requirement $(PINS)/source.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/models: $(STAMPS)/base $(PINS)/models.txt $(PINS)/torch.txt
	$(PIP) --constraint $(PINS)/base.txt --constraint $(PINS)/models.txt --requirement $(PINS)/torch.txt
	$(PIP) --no-deps --requirement $(PINS)/models.txt
	@touch $@

$(STAMPS)/dev: $(STAMPS)/base $(PINS)/dev.txt
	$(PIP) --no-deps --requirement $(PINS)/dev.txt
	@touch $@

.PHONY: install-cloud
install-cloud: $(STAMPS)/cloud ## add the clients of gs://, s3:// and Dataflow

.PHONY: install-stores
install-stores: $(STAMPS)/stores ## add emulators of object stores, for tests

$(STAMPS)/cloud: $(STAMPS)/base $(PINS)/cloud.txt
	$(PIP) --no-deps --requirement $(PINS)/cloud.txt
	@touch $@

$(STAMPS)/stores: $(STAMPS)/cloud $(PINS)/stores.txt
	$(PIP) --no-deps --requirement $(PINS)/stores.txt
	@touch $@

.PHONY: lock
lock: $(STAMPS)/venv ## write requirements/*.txt anew from pyproject.toml
	@test -x $(BIN)/uv || $(PIP) uv
	UV="$(abspath $(BIN)/uv)" $(PINS)/lock.sh

# Use ---------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(STAMPS)/base ## crawl a small site and build a corpus, offline, with figures
	$(BIN)/isogloss demo --again $(ARGS)

# Dataflow ----------------------------------------------------------------------------------------------------
# make image template PROJECT=my-project REGION=europe-west4 BUCKET=my-bucket VARIANT=gpu; see docs/dataflow.md

VARIANT ?= cpu
REPOSITORY ?= isogloss
TAG ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo latest)
IMAGE ?= $(REGION)-docker.pkg.dev/$(PROJECT)/$(REPOSITORY)/isogloss-$(VARIANT):$(TAG)
TEMPLATE ?= gs://$(BUCKET)/templates/isogloss.json

.PHONY: image
image: ## build and push the container of Dataflow's workers: PROJECT, REGION, VARIANT=cpu or gpu
	@test -n "$(PROJECT)" -a -n "$(REGION)" || { echo "give PROJECT=... REGION=..." >&2; exit 2; }
	docker build --file deploy/Dockerfile --target $(VARIANT) --build-arg IMAGE=$(IMAGE) \
		$(if $(TORCH_INDEX),--build-arg TORCH_INDEX=$(TORCH_INDEX)) --tag $(IMAGE) .
	docker push $(IMAGE)

.PHONY: template
template: ## write the Flex Template that launches it: PROJECT, REGION, BUCKET, VARIANT
	@test -n "$(PROJECT)" -a -n "$(REGION)" -a -n "$(BUCKET)" || { echo "give PROJECT=... REGION=... BUCKET=..." >&2; exit 2; }
	gcloud dataflow flex-template build $(TEMPLATE) --project $(PROJECT) --image $(IMAGE) --sdk-language PYTHON \
		--metadata-file deploy/metadata.json

# Checks ------------------------------------------------------------------------------------------------------

.PHONY: test
test: $(STAMPS)/dev $(STAMPS)/models ## run the tests, but the slow ones
	$(BIN)/python -m pytest -m "not slow" --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: slow
slow: $(STAMPS)/dev $(STAMPS)/models ## run the slow tests
	$(BIN)/python -m pytest -m slow $(ARGS)

.PHONY: stores
stores: $(STAMPS)/dev $(STAMPS)/models $(STAMPS)/stores ## run the tests of object stores and Dataflow, against emulators
	$(BIN)/python -m pytest tests/stores tests/deploy $(ARGS)

.PHONY: faults
faults: $(STAMPS)/dev $(STAMPS)/stores ## kill, fill, cut off: runs end right, or with the cause
	$(BIN)/python -m pytest tests/faults $(ARGS)

.PHONY: lint
lint: $(STAMPS)/dev ## check style and form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(STAMPS)/dev $(STAMPS)/models ## check types, strictly
	$(BIN)/mypy

.PHONY: imports
imports: $(STAMPS)/dev ## check who imports whom
	$(BIN)/lint-imports --no-logo

.PHONY: quality
quality: $(STAMPS)/dev $(STAMPS)/models ## measure quality against the floors
	$(BIN)/python -m pytest tests/quality $(ARGS)

.PHONY: bench
bench: $(STAMPS)/dev $(STAMPS)/models ## measure speed; BENCHES=benchmarks/bench_mine.py for one
	@for bench in $(BENCHES); do echo "== $$bench"; $(BIN)/python $$bench; done

.PHONY: clean
clean: ## take away .venv, build and caches
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
