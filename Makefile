SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# With what tests and the Benchmark environment's own commands need besides.
COMPLETE := .venv/.complete

# Settings such as USERS=100 reach the commands through the environment; which there are, and their defaults, is
# in loadtests/commands.py.
GIVEN = $(strip $(foreach name,$(.VARIABLES),$(if $(filter command%,$(origin $(name))),$(name))))
# What is given to this make is not given to those that its commands may start.
MAKEOVERRIDES :=

.PHONY: help
help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1 — /p' Makefile | column -t -s '—' -o ' ' 2>/dev/null \
	  || sed -n 's/^\([a-z]*\):.*## /  make \1: /p' Makefile
	@echo
	@$(PYTHON) -m loadtests.make 2>/dev/null || echo "The settings are listed where $(PYTHON) is Python 3.11 or newer."

.PHONY: settings
settings: $(READY)
	$(if $(GIVEN),@$(BIN)/python -m loadtests.make $(MAKECMDGOALS) -- $(foreach name,$(GIVEN),'$(name)'))

.PHONY: loadtest
loadtest: settings ## one load test: deployment up, load, report, deployment down
	@$(BIN)/python -m loadtests run

.PHONY: faults
faults: settings ## one load test during which workers and replicas are killed, paused, added and removed
	@$(BIN)/python -m loadtests faults

.PHONY: stack
stack: settings ## one load test on all nodes of a Docker Swarm: replicas, balancer and load generators
	@$(BIN)/python -m loadtests stack

.PHONY: scaling
scaling: settings ## an experiment over a grid of deployments and loads, and its scaling report
	@$(BIN)/python -m loadtests scaling

.PHONY: webui
webui: settings ## the same deployment under Locust's web page on http://127.0.0.1:8089
	@$(BIN)/python -m loadtests webui

.PHONY: master
master: settings ## one load test by workers that join from anywhere: WORKERS_EXPECTED=4
	@$(BIN)/python -m loadtests master

.PHONY: worker
worker: settings ## load for a master elsewhere: make worker MASTER=10.0.0.9 PROCESSES=auto
	@$(BIN)/python -m loadtests worker

.PHONY: capacity
capacity: settings ## search how many sessions a deployment holds, or what rate, and what stops it
	@$(BIN)/python -m loadtests capacity

.PHONY: up
up: settings ## bring a deployment up and leave it running
	@$(BIN)/python -m loadtests up

.PHONY: down
down: settings ## take down what make up left running
	@$(BIN)/python -m loadtests down

.PHONY: report
report: settings ## write the report of a recorded run again: make report RUN=results/…
	@$(BIN)/python -m reports run "$(or $(RUN),results)" \
	  $(if $(JUNIT),--junit "$(JUNIT)") $(if $(SUMMARY),--summary "$(SUMMARY)")

.PHONY: csv
csv: settings ## write the rows of a recorded run as CSV, beside the Parquet files: make csv RUN=results/…
	@$(BIN)/python -m reports csv "$(or $(RUN),results)"

.PHONY: trace
trace: settings ## a file of a run’s steps, which SHAPE=trace:FILE replays: make trace RUN=results/…
	@$(BIN)/python -m reports trace "$(or $(RUN),results)" $(if $(FILE),--file "$(FILE)")

.PHONY: compare
compare: settings ## compare two runs or experiments: make compare A=results/… B=results/…
	@test -n "$(A)" -a -n "$(B)" || { \
	  echo "error: name both, the baseline A and what is held against it: make compare A=results/… B=results/…" >&2; exit 2; }
	@$(BIN)/python -m reports compare "$(A)" "$(B)" $(if $(FAIL_ON_REGRESSION),--fail-on-regression "$(FAIL_ON_REGRESSION)") \
	  $(if $(OUTPUT),--output "$(OUTPUT)") \
	  $(if $(JUNIT),--junit "$(JUNIT)") $(if $(SUMMARY),--summary "$(SUMMARY)")

.PHONY: results
results: settings ## all runs, experiments and comparisons, with trends: make results TAG=nightly LAST=20
	@$(BIN)/python -m reports results "$(or $(RESULTS),results)" $(if $(TAG),--tag "$(TAG)") $(if $(LAST),--last "$(LAST)")

.PHONY: test
test: settings $(COMPLETE) ## lint, types and all tests
	@echo "· lint"
	@$(BIN)/ruff format --check --quiet . || { echo "error: badly formatted; run $(BIN)/ruff format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@echo "· types"
	@$(BIN)/mypy
	@echo "· tests"
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n 4 $(TESTS)

.PHONY: bench
bench: settings $(COMPLETE) ## measure what is promised, beside targets and peers: half an hour, or BENCH=batches
	@$(BIN)/python -m benchmarks $(BENCH)

.PHONY: truth
truth: settings ## search servers of known capacity, load queues of known latency: every answer must be right
	@$(BIN)/python -m benchmarks.capacity_truth
	@$(BIN)/python -m benchmarks.queue_truth

.PHONY: calibrate
calibrate: settings ## hold reported latencies against a server whose reply times are known: five minutes
	@$(BIN)/python -m benchmarks.calibration

.PHONY: soak
soak: settings $(COMPLETE) ## load that lasts, ten minutes by default: nothing may grow, and all comes back
	@$(BIN)/python -m benchmarks.soak $(if $(DURATION),--duration "$(DURATION)") \
	  $(if $(RESULTS),--results "$(RESULTS)")

.PHONY: kills
kills: settings $(COMPLETE) ## 50 runs with one SIGKILL each, to every kind of process: what is lost, what is left
	@$(BIN)/python -m benchmarks.kills $(if $(KILLS),--kills "$(KILLS)") $(if $(SEED),--seed "$(SEED)")

.PHONY: fuzz
fuzz: settings $(COMPLETE) ## bad input and hostile clients at length: FUZZ=2000 examples of each kind
	@env -u PYTHONDONTWRITEBYTECODE FUZZ="$(or $(FUZZ),2000)" $(BIN)/pytest -q --timeout 3600 tests/fuzz

.PHONY: image
image: ## build the environment's image, benchmark-env:latest
	@docker build -t benchmark-env:latest -f benchmark_env/server/Dockerfile benchmark_env

.PHONY: push
push: settings $(COMPLETE) ## upload the environment to Hugging Face Spaces: PUSH="--repo-id me/name --private"
	@cd benchmark_env && PATH="$(CURDIR)/$(BIN):$$PATH" openenv push $(PUSH)

PIN = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --generate-hashes

.PHONY: lock
lock: $(READY) ## pin the newest versions that pyproject.toml allows
	@$(PIN) --upgrade --all-extras --group setup --group dev pyproject.toml -o requirements.lock
	@$(PIN) -c requirements.lock --group setup pyproject.toml -o requirements-run.lock
	@$(PIN) -c requirements.lock benchmark_env/pyproject.toml -o benchmark_env/requirements.lock
	@$(PIN) -c requirements.lock compose/requirements-locust.in -o compose/requirements-locust.txt
	@$(PIN) --upgrade --no-deps .ci/tools.in -o .ci/tools.txt

.PHONY: clean
clean: ## remove caches and .venv, after make down; results stay
	@test ! -e $(READY) || $(BIN)/python -m loadtests down
	@rm -rf .venv .deployments .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements-run.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: $(PYTHON) is not Python 3.11 or newer: install one, or name it: make PYTHON=python3.12 …" >&2; exit 2; }
	@test -x $(BIN)/pip || { \
	  echo "· making a virtual environment in .venv"; rm -rf .venv; \
	  $(PYTHON) -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; \
	    echo "error: $(PYTHON) -m venv failed: install its package, for example apt-get install python3-venv" >&2; exit 2; }; }
	@$(call install,requirements-run.lock)
	@{ test -x $(BIN)/uv && $(UV) --quiet --no-deps --no-build-isolation -e . 2>/dev/null; } \
	  || $(PIP) --quiet --no-deps --no-build-isolation -e . || { \
	  echo "error: installing the project itself into .venv failed (see above)" >&2; exit 2; }
	@touch $@

$(COMPLETE): requirements.lock $(READY)
	@$(call install,requirements.lock)
	@touch $@

PIP := $(BIN)/pip --disable-pip-version-check --no-color install
UV := $(BIN)/uv pip install --python $(BIN)/python
CHECKED := --require-hashes -r
OTHER_CONTENT := hash mismatch|do not match the hashes

# uv takes a quarter of pip's time, but does not see an index that only pip is told of.
define install
total=$$(grep -c '^[a-z]' $(1)); log=.venv/install.log; : >$$log; \
echo "· installing about $$total packages into .venv"; \
{ ! $(BIN)/pip config list | grep index >/dev/null \
  && $(PIP) --quiet --no-compile --no-deps $(CHECKED) <(sed -n '/^uv==/,/[^\\]$$/p' requirements-run.lock) 2>/dev/null \
  && test -x $(BIN)/uv && $(UV) $(CHECKED) $(1) 2>&1 | tee $$log | { grep --line-buffered -v '^ [-+~]' || true; }; } || \
{ ! grep -qiE '$(OTHER_CONTENT)' $$log && $(PIP) --no-compile $(CHECKED) $(1) 2>&1 | tee $$log | awk -v total=$$total \
  '/^Collecting /{n++; if (n % 10 == 1) printf "· pip: %d of about %d packages\n", n, total; fflush()} \
   /^Installing collected/{print "· unpacking"; fflush()}'; } || \
if grep -qiE '$(OTHER_CONTENT)' $$log; then \
  sed -n '/DO NOT MATCH/,$$ { / or /!p; }' $$log >&2; \
  echo "error: a package does not have the content that $(1) was made with, so nothing of it was installed (see above and $$log)." \
    "Is the file as it was committed? Then the package was changed where it comes from." >&2; exit 2; \
else \
  tail -n 5 $$log >&2; echo "error: installing $(1) failed (see above and $$log): is a package index reachable?" >&2; exit 2; \
fi
endef
