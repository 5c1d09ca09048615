# Every target bootstraps its own virtual environment: Python 3.11+, venv, make and gcc are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo serve test bench check lint types clean

demo: $(READY)
	$(BIN)/parlance call samples/patient.wav --agent receptionist --out out

serve: $(READY)
	$(BIN)/parlance serve

test: $(READY)
	$(BIN)/python -m pytest

bench: $(READY)
	$(BIN)/python -m bench

check: lint types test

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[local,services,silero,formats,dev]'
	touch $@

# The servers that the bench compares with, each in an environment of its own; one that cannot be made does not stop the other.
.PHONY: peers
peers:
	$(MAKE) --keep-going .peers/plain/.ready .peers/pipecat/.ready

.peers/%/.ready: bench/peers/%.txt
	rm -rf .peers/$*
	$(PYTHON) -m venv .peers/$*
	.peers/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

clean:
	rm -rf $(VENV) out
