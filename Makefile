# make demo   a virtual environment and the main job on the bundled pair, offline
# make smollm2   the base of the pair smollm2, fetched once (93 MB) into the user's cache folder
# make qwen-coder   the base of the pair qwen-coder-0.5b, fetched once (491 MB)
# make test   the whole test suite;  make check   lint, format and types;  make figures   the findings under figures/
# make figures-smollm2   those of the pair smollm2, its seeds and its null; hours, in pieces that go on where they stopped
# make figures-nulls   those of a LoRA's GRPO on the bundled base, of its null, and of the pair discovery; an hour
# make notebooks   the notebooks, executed
# make browser   Debian's chromium, with which the tests look at the page; as root, where there is apt-get

PYTHON ?= python3
BIN = .venv/bin
export HF_HUB_OFFLINE ?= 1

.PHONY: demo smollm2 qwen-coder test fast check figures figures-smollm2 figures-nulls notebooks browser clean

demo: .venv/run
	$(BIN)/rlprobe disagree --out demo --overwrite

smollm2: .venv/gguf
	HF_HUB_OFFLINE=0 $(BIN)/python -m rlprobe.pairs.fetch smollm2

qwen-coder: .venv/gguf
	HF_HUB_OFFLINE=0 $(BIN)/python -m rlprobe.pairs.fetch qwen-coder-0.5b

test: .venv/dev
	-HF_HUB_OFFLINE=0 $(BIN)/python -m rlprobe.pairs.fetch smollm2
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

fast: .venv/dev
	-HF_HUB_OFFLINE=0 $(BIN)/python -m rlprobe.pairs.fetch smollm2
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow"

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

figures: .venv/run
	$(BIN)/python -m experiments.disagreement
	$(BIN)/python -m experiments.direction
	$(BIN)/python -m experiments.divergence
	$(BIN)/python -m experiments.extrapolation
	$(BIN)/python -m experiments.backward
	$(BIN)/python -m experiments.interventions
	$(BIN)/python -m experiments.flips
	$(BIN)/python -m experiments.signals
	$(BIN)/python -m experiments.sampling
	$(BIN)/python -m experiments.footprint
	$(BIN)/python -m experiments.internals
	$(BIN)/python -m experiments.weights
	$(BIN)/python -m experiments.benchmarks.cost_by_scale
	$(BIN)/python -m experiments.benchmarks.cost_by_pair
	$(BIN)/python -m experiments.coverage
	$(BIN)/python -m experiments.claims
	$(BIN)/python -m experiments.across_pairs
	$(BIN)/python -m experiments.findings

figures-nulls: .venv/run
	for pair in bundled-lora bundled-null discovery; do for script in disagreement direction interventions; do \
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.$$script --pair $$pair || exit 1; done; done
	$(BIN)/python -m experiments.across_pairs

figures-smollm2: smollm2
	for pair in smollm2 smollm2-seed2 smollm2-seed3 smollm2-null; do for script in disagreement direction interventions; do \
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.$$script --pair $$pair || exit 1; done; done
	$(BIN)/python -m experiments.across_pairs

notebooks: .venv/dev
	$(BIN)/python -m experiments.notebooks

browser:
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver; \
	else echo "make browser: chromium is missing and cannot be installed here (that takes root and apt-get): the tests that look at the page will be SKIPPED" >&2; fi

.venv/run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

.venv/gguf: .venv/run
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[gguf]"
	touch $@

.venv/dev: .venv/run
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[train,gguf,ray,dev]"
	touch $@

clean:
	rm -rf .venv demo runs build *.egg-info
