# bwc: two commands matter, `make demo` and `make test`. `make` alone lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLIP ?=
DATA ?= ../shared/data
ONLY ?=
KILLS ?= 1000
HISTORIES ?= 10000
STAMP := $(VENV)/.ready

.PHONY: help setup demo check walls test test-all fix fixtures docs bench accuracy speech faults histories test-independent clean verifier

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: $(STAMP) ## virtual environment, dependencies, model files

$(STAMP): pyproject.toml scripts/setup.sh bwc/redact/detectors/weights.py
	@PYTHON=$(PYTHON) VENV=$(VENV) bash scripts/setup.sh
	@touch $@

demo: setup ## the whole job on one clip: CLIP=my.mp4 for your own
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo.sh "$(CLIP)"

check: setup ## format, lint, types, walls
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

walls: setup ## only the walls between the floors
	@$(BIN)/lint-imports --no-cache

test: setup ## the tests
	@$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not independent"

test-all: setup ## the tests, slow ones and those that need tools written by others too
	@$(BIN)/pytest -n 2 --dist worksteal

fix: setup ## format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## figures of this machine, one table a room: ONLY="storage keys" for some; DEFACE=program beside ours
	@BWC_DEFACE="$(DEFACE)" $(BIN)/python tests/bench/bench.py $(ONLY)

accuracy: setup ## what copies still show of footage with known truth: DATA=folder, DEFACE=program
	@$(BIN)/python tests/accuracy/run.py $(DATA) $(if $(DEFACE),--deface $(DEFACE))

speech: setup ## how well spoken personal data is hidden, on speech that espeak-ng speaks: DATA=folder with audio/
	@rm -rf /tmp/bwc-speech && $(BIN)/python tests/accuracy/speech_set.py /tmp/bwc-speech --samples $(DATA)/audio
	@$(BIN)/bwc bench speech /tmp/bwc-speech

faults: setup ## crashes, kills, errors and lies at every file call; every byte flipped: KILLS=100 for fewer kills
	@BWC_KILLS=$(KILLS) $(BIN)/pytest tests/faults tests/storage tests/custody tests/audit tests/anchors tests/verifier tests/release tests/journeys/test_tampering.py

histories: setup ## honest histories without a false alarm: HISTORIES=10000, about ten minutes of CPU time
	@BWC_HISTORIES=$(HISTORIES) $(BIN)/pytest -n 2 tests/audit/test_honest.py $(if $(wildcard /dev/shm),--basetemp /dev/shm/bwc-histories)

test-independent: setup ## our formats judged by tools that others wrote (Go, Chromium, node)
	@PYTHON=$(BIN)/python bash scripts/independent.sh tests/browser

docs: setup ## make docs/commands.md again
	@$(BIN)/python scripts/command_docs.py

verifier: setup ## dist/bwc-verify.py: the verifier as one file
	@$(BIN)/python scripts/make_verifier.py dist/bwc-verify.py

fixtures: setup ## make the clips in fixtures/ again
	@$(BIN)/python fixtures/make_fixtures.py

clean: ## remove what was built
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache demo-out
