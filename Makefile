# Everything a developer or operator types. `make` alone prints this help.
PY ?= python3
BIN := .venv/bin
INDEX := $(shell $(PY) -m pip config get global.index-url 2>/dev/null)
export UV_PYTHON_DOWNLOADS := never
ifneq ($(INDEX),)
export UV_DEFAULT_INDEX ?= $(INDEX)
endif
PYTEST := $(BIN)/python -m pytest
WORKERS ?= 2

.PHONY: help setup demo test check format unit model model-long node federation fuzz browser real bench schemas lock revision clean up down stepper
.DEFAULT_GOAL := help

##@ Use
help: ## this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: .venv/.installed ## install everything into .venv (a minute at most)

demo: .venv/.installed ## four bureaus and the story of Ms Wang; stays up (HAND=1 leaves it to you, ONCE=1 ends, STACK=kafka)
	@$(BIN)/quanyu demo --stack $(or $(STACK),embedded) $(if $(ONCE),--once) $(if $(HAND),--by-hand)

##@ Run on machines
up: ## four bureaus in containers (PROFILE=full: as in production); see deploy/README.md
	COMPOSE_PROFILES=$(or $(PROFILE),minimal) docker compose up --build --detach --wait

down: ## end them; volumes stay
	COMPOSE_PROFILES=minimal,full docker compose down

##@ Check
test: .venv/.installed ## every ring that this machine can run, and what did not run
	@$(BIN)/python -m tests.rings

check: .venv/.installed ## format, lint, types, import contracts, schema, fast tests
	$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m shared.contract.generate --check
	$(PYTEST) tests/unit tests/node/test_schema.py -n $(WORKERS)

format: .venv/.installed ## format the code and mend what can be mended
	$(BIN)/ruff format -q . && $(BIN)/ruff check --fix -q .

unit: .venv/.installed ## pure rules, identifiers, envelope: seconds
	$(PYTEST) tests/unit -n $(WORKERS)

model: .venv/.installed ## the explorer over the shipped transfer table, and its mutants
	$(PYTEST) tests/model -n $(WORKERS)

model-long: .venv/.installed ## the scenarios that take minutes
	$(PYTEST) tests/model -m long

node: .venv/.installed ## one bureau on real PostgreSQL, act by act
	$(PYTEST) tests/node -n $(WORKERS)

federation: .venv/.installed ## four bureaus in one process
	$(PYTEST) tests/federation tests/bus -n $(WORKERS)

stepper: .venv/.installed ## many seeded runs of the real handlers with faults (N=1000), or one told step by step (SEED=1)
	@$(BIN)/python -m tests.stepper $(if $(SEED),--seed $(SEED),--seeds $(or $(N),1000) --workers $(WORKERS))

fuzz: .venv/.installed ## a million wrong inputs into every parser, every route from its OpenAPI (FUZZ_SEED=…: others)
	$(PYTEST) tests/fuzz -n $(WORKERS)

browser: .venv/.installed ## pages in Chromium, four bureaus as processes (SCREENSHOTS=folder keeps what it saw)
	$(PYTEST) tests/browser

real: .venv/.installed ## processes, Apache Kafka, Keycloak, kill -9 (needs Java 17 and Maven)
	$(PYTEST) tests/real

bench: .venv/.installed ## figures beside their floors, on a quiet machine (a quarter of an hour; needs Java 17 and Maven)
	-$(BIN)/quanyu bench deliver
	-$(BIN)/quanyu bench transfer
	-$(BIN)/quanyu bench post
	-$(BIN)/quanyu bench growth
	-$(BIN)/quanyu bench pages

##@ Develop
schemas: .venv/.installed ## write the JSON Schemas and the AsyncAPI document from the contract
	$(BIN)/python -m shared.contract.generate

lock: .venv/.installed ## resolve requirements anew, with hashes and without hosts
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes requirements/runtime.in -o requirements/runtime.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes -c requirements/runtime.txt requirements/dev.in -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes -c requirements/dev.txt requirements/deploy.in -o requirements/deploy.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes -c requirements/dev.txt requirements/uv.in -o requirements/uv.txt

clean: ## remove what was made: .venv, run, caches
	rm -rf .venv run build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/.installed: requirements/dev.txt requirements/uv.txt pyproject.toml
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@echo "setting up .venv: virtual environment"
	@$(PY) -m venv .venv || { echo "python3 has no venv module: apt install python3-venv"; exit 1; }
	@echo "setting up .venv: installer"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@echo "setting up .venv: packages"
	@$(BIN)/uv pip install -q --require-hashes --compile-bytecode -r requirements/dev.txt
	@$(BIN)/uv pip install -q --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q services shared || true
	@touch $@
