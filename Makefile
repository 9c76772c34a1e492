# make demo   a virtual environment and the main job on the bundled pair, offline
# make test   the whole test suite;  make check   lint, format and types;  make figures   the findings under figures/

PYTHON ?= python3
BIN = .venv/bin
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test fast check figures clean

demo: .venv/run
	$(BIN)/rlprobe disagree --out demo --overwrite

test: .venv/dev
	$(BIN)/python -m pytest

fast: .venv/dev
	$(BIN)/python -m pytest -m "not slow"

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

figures: .venv/run
	$(BIN)/python -m experiments.disagreement
	$(BIN)/python -m experiments.interventions
	$(BIN)/python -m experiments.cost_by_scale

.venv/run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

.venv/dev: .venv/run
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[train,dev]"
	touch $@

clean:
	rm -rf .venv demo runs build *.egg-info
