# make demo    the whole pipeline on real text: vocabulary, encoder, pretraining, fine-tuning, scored titles (ten minutes on two cores)
# make recipes all recipes in examples/, on little text: only checks that everything runs (examples/smoke/all.sh)
# make test    format, lint, types and all tests
# make faults  5,000 broken inputs (their table: tests/faults/RESULTS.md), 30 kills of training runs at random moments, and 30
#              epochs with checks of processes and memory
# make reports measure again, on a quiet machine, whatever depends on the CPU's speed (benchmarks/results; 15 minutes on two cores)
# make docs    run every command in the documentation at the smallest size (a part of make test)
# make .venv-transformers    the oldest and the newest supported transformers, for tests/huggingface (30 seconds)
# make other   every command that needs no model, with another Python: make other PYTHON=python3.13
# All targets set up .venv first if it is missing. PYTHON=python3.12 make demo selects the interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Python compiles modules when it first imports them; most of what is installed is never imported, so this halves the set-up
# time. Only fairseq is compiled in advance, because compiling it prints warnings.
INSTALL := install --quiet --disable-pip-version-check --no-compile

.PHONY: help .venv .venv-transformers demo recipes test other faults reports docs lint format clean
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# The stamp is written last, so an interrupted set-up restarts from the beginning.
.venv: $(VENV)/.ready
$(VENV)/.ready: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: $(PYTHON) is older than 3.11; name a newer one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip $(INSTALL) -c constraints.txt $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip $(INSTALL) --no-deps -r constraints.txt
	$(BIN)/python -m pip $(INSTALL) --no-deps --no-build-isolation -e .
	$(BIN)/python -W ignore -c \
	  'import compileall, sysconfig; compileall.compile_dir(sysconfig.get_path("purelib") + "/fairseq", quiet=1)'
	@touch $@

# These environments also see the packages of .venv, including torch, after their own.
.venv-transformers: .venv-transformers/.ready
.venv-transformers/.ready: $(VENV)/.ready tests/huggingface/oldest.txt tests/huggingface/newest.txt
	rm -rf .venv-transformers
	for release in oldest newest; do \
	  $(BIN)/python -m venv --without-pip .venv-transformers/$$release \
	  && $(BIN)/python -m pip --python .venv-transformers/$$release/bin/python $(INSTALL) --no-deps \
	    -r tests/huggingface/$$release.txt \
	  && $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	    > $$(echo .venv-transformers/$$release/lib/python3*/site-packages)/main.pth || exit 1; \
	done
	@touch $@

# SCALE=smoke: a minute or two, on little text. COMPARE=0: without the randomly initialized decoder.
demo: $(VENV)/.ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/quickstart/run.sh

recipes: $(VENV)/.ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/smoke/all.sh

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# The commands that need no model, in an environment without torch and fairseq, which takes a minute to set up.
other:
	rm -rf .venv-other && $(PYTHON) -m venv .venv-other
	grep -v '^torch==\|fairseq' constraints.txt > .venv-other/constraints.txt
	.venv-other/bin/python -m pip $(INSTALL) --no-deps -r .venv-other/constraints.txt
	.venv-other/bin/python -m pip $(INSTALL) --no-deps --no-build-isolation -e .
	cd .venv-other && bin/python ../tests/packaging/run_without_torch.py ../examples/quickstart/data/sample

faults: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.campaign --cases 5000 --output tests/faults/RESULTS.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.kills --kills 30
	OMP_NUM_THREADS=1 SWCM_SOAK_EPOCHS=30 $(BIN)/python -m pytest -q tests/faults/test_soak.py

reports: .venv-transformers/.ready
	$(BIN)/python -m pip --python .venv-transformers/newest/bin/python $(INSTALL) --no-deps \
	  -r benchmarks/peers.txt
	OMP_NUM_THREADS=1 PYTHON=.venv-transformers/newest/bin/python benchmarks/cpu_reports.sh

docs: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/docs

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck -x $$(git ls-files '*.sh' '*.sbatch' .ci/run)

format: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .venv-other .venv-transformers runs build ./*.egg-info
