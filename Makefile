# Two commands need nothing but Python ≥ 3.11 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
IMAGE  ?= astronaut
OUT    ?= out
ORACLES := $(VENV)-oracles/.installed
SCALESIM := $(VENV)-scalesim/.installed
TOSA := $(VENV)-tosa/.installed
ZIGZAG := $(VENV)-zigzag/.installed
VELA := $(VENV)-vela/.installed
# Test processes share the cores: a thread that waits for another sleeps, and linear algebra has one thread.
SHARING := OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1
.DEFAULT_GOAL := help
.PHONY: help demo test test-oracles test-rtl rtl-table test-browser bench bench-hwsim scores check check-exp lint types contracts lock clean

help: ; @grep -E '^[a-z-]+:.* [#]{2} ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(READY) ## the main job on a photograph: vectors, cost, claims, one page (IMAGE=file, OUT=dir)
	$(BIN)/python examples/demo.py --image "$(IMAGE)" --out "$(OUT)"

test: $(READY) ## every test, as compiled; then the small ones as read (no JIT)
	@echo "== tests, compiled"
	$(SHARING) $(BIN)/pytest -q -n auto --dist loadfile
	@echo "== small tests again, interpreted: what is read is what is tested"
	$(SHARING) NUMBA_DISABLE_JIT=1 $(BIN)/pytest -q -n auto --dist loadfile -m small

test-oracles: $(ORACLES) $(SCALESIM) $(ZIGZAG) $(VELA) test-tosa ## against PyTorch, ONNX Runtime, SCALE-Sim, ZigZag, Vela, TOSA (environments of their own)
	@echo "== oracles"
	$(SHARING) $(VENV)-oracles/bin/python -m pytest -q -n auto --dist loadfile tests/oracles

test-rtl: $(READY) ## the SystemVerilog device in a simulator (needs perl, make, g++; some minutes)
	@echo "== RTL, in a simulator that must be there"
	$(SHARING) HWSIM_RTL=required $(BIN)/pytest -q -n 2 --dist loadgroup tests/rtl

test-browser: $(READY) ## reports in a real browser (installs Debian's chromium where it is missing)
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }
	REQUIRE_CHROMIUM=1 $(BIN)/pytest -q tests/browser

check-exp: $(READY) ## e^x over every binary32 input and every narrower word (about a minute)
	$(BIN)/python -m tests.exhaustive.exponential

RTL_SETS := conv2d.int8 shift_product.int8 pssa.int8 xvolution_fused.int8
rtl-table: $(READY) ## docs/rtl-bugs.md: bugs in RTL beside the same bugs in the model (some minutes)
	rm -rf out/rtl/designed && mkdir -p out/rtl
	$(BIN)/refimpl designed out/rtl/designed $(RTL_SETS:%=--operator %)
	$(BIN)/proofs device docs/rtl-bugs.md --set out/rtl/designed --work out/rtl

bench: $(ORACLES) ## speed beside PyTorch and the machine's own limit (a few minutes; be alone)
	$(VENV)-oracles/bin/python -m benchmarks --out "$(OUT)/benchmarks.md" --json "$(OUT)/benchmarks.json"
	$(MAKE) --no-print-directory $(TOSA)
	$(ONE_THREAD) $(VENV)-oracles/bin/python -m benchmarks.bitexact --tosa $(VENV)-tosa --out "$(OUT)/bitexact.md"

scores: $(READY) $(TOSA) ## what test sets catch, ours and others' (some minutes): writes docs/score.md
	$(BIN)/python -m benchmarks.scores --tosa $(VENV)-tosa

bench-hwsim: $(READY) $(SCALESIM) ## speed of the cost model, beside SCALE-Sim (a minute; be alone)
	$(BIN)/python -m benchmarks.hwsim_speed
	$(BIN)/python -m benchmarks.sweep_speed

.PHONY: study
study: $(READY) ## docs/study.md and docs/study.html: every form everywhere, and the verdict (some minutes)
	$(BIN)/hwsim study --out "$(OUT)/study"
	cp "$(OUT)/study/study.md" "$(OUT)/study/study.html" docs/

.PHONY: mutation mutation-claims
mutation: $(READY) ## small mistakes in the operators, and whether the tests see them (half an hour)
	$(BIN)/python -m benchmarks.mutation --out "$(OUT)/mutation-operators.json" --minutes 30

mutation-claims: $(READY) ## small mistakes in the claims, and whether their own tests see them (half an hour)
	$(BIN)/python -m benchmarks.mutation --what claims --out "$(OUT)/mutation-claims.json" --minutes 30

check: lint types contracts ## lint, types and import contracts

lint: $(READY) ## ruff, format and rules
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(READY) ## mypy --strict
	$(BIN)/mypy

contracts: $(READY) ## who may import whom
	$(BIN)/lint-imports

lock: ## pin names, versions and hashes again (needs uv on PATH)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --no-emit-package xvolution requirements/lock.in -o requirements/lock.txt

$(READY): requirements/lock.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python must be 3.11 or newer, not %d.%d; name one with make PYTHON=python3.11" % sys.version_info[:2])'
	@echo "== creating $(VENV) and installing what the lock file names (about a minute, once)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/lock.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(ORACLES): requirements/lock.txt pyproject.toml
	@echo "== creating $(VENV)-oracles: the lock file; PyTorch and ONNX Runtime by exact version"
	$(PYTHON) -m venv $(VENV)-oracles
	$(VENV)-oracles/bin/python -m pip install --quiet --require-hashes -r requirements/lock.txt
	$(VENV)-oracles/bin/python -m pip install --quiet torch==2.13.0 onnxruntime==1.32.0
	$(VENV)-oracles/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(SCALESIM):
	@echo "== creating $(VENV)-scalesim: SCALE-Sim by exact version, beside the NumPy it works with"
	$(PYTHON) -m venv $(VENV)-scalesim
	$(VENV)-scalesim/bin/python -m pip install --quiet scalesim==3.0.0 "numpy==2.3.*"
	@touch $@

$(ZIGZAG):
	@echo "== creating $(VENV)-zigzag: ZigZag by exact version, and six, which it needs and does not name"
	$(PYTHON) -m venv $(VENV)-zigzag
	$(VENV)-zigzag/bin/python -m pip install --quiet zigzag-dse==3.9.1 six==1.17.0
	@touch $@

$(VELA):
	@echo "== creating $(VENV)-vela: Vela by exact version"
	$(PYTHON) -m venv $(VENV)-vela
	$(VENV)-vela/bin/python -m pip install --quiet ethos-u-vela==5.2.0
	@touch $@

$(TOSA): requirements/lock.txt pyproject.toml
	@echo "== creating $(VENV)-tosa: TOSA's tools by exact version, with the NumPy that they want"
	$(PYTHON) -m venv $(VENV)-tosa
	$(VENV)-tosa/bin/python -m pip install --quiet tosa-tools==2026.8.0 "numpy>=2.0,<2.2" numba scipy \
	  beartype jaxtyping pydantic rich typer pytest hatchling editables
	$(VENV)-tosa/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: test-tosa fuzz bench-stream
test-tosa: $(TOSA) ## vectors against TOSA's reference model (an environment of its own)
	@echo "== TOSA"
	$(VENV)-tosa/bin/python -m pytest -q tests/tosa

fuzz: $(READY) ## sets of vectors mutated at random, thousands of times (some minutes)
	VECTORS_FUZZ=5000 $(BIN)/pytest -q -n 2 tests/refimpl/vectors/test_mutated.py

bench-stream: $(READY) ## a set of 1 GB checked as a stream: time and memory (needs 2 GB in OUT)
	mkdir -p "$(OUT)" && $(BIN)/python -m benchmarks.stream --folder "$(OUT)"

clean: ## remove what the other targets made
	rm -rf $(VENV) $(VENV)-oracles $(VENV)-scalesim $(VENV)-tosa $(VENV)-zigzag $(VENV)-vela $(OUT)
