# Onward's commands. Each makes the environment it needs by itself; `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
DATA ?=
.PHONY: help run test test-quick docs benchmarks peers checkout programs lint format freeze airflow dashboards images clean

PYTHON ?= python3.11
# Name an extra wheel index here for the small CPU-only build of torch, if your default index has none.
TORCH_INDEX ?=
# A folder of wheels that `make images` shows to pip, for the same.
WHEELS ?=
VENV := .venv
PEERS := .venv-peers
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "[install 1/4] virtual environment in $(VENV)"
	@command -v $(PYTHON) >/dev/null || { echo "Onward needs Python 3.11: install it, or name it with PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@echo "[install 2/4] torch"
	@$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch==2.13.0
	@echo "[install 3/4] everything else, pinned by constraints.txt (2 to 3 minutes)"
	@$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt -e ".[dev,docs]"
	@$(BIN)/python -c "import lightgbm" 2>/dev/null || { echo "LightGBM needs the OpenMP runtime: apt-get install libgomp1 (Debian) or the like, then run again"; exit 1; }
	@echo "[install 4/4] compiling the numerical kernels"
	@PATH="$(BIN):$$PATH" python -m tools.compile_kernels
	@touch $@

# Only tests need Spark here: 0.4 GB that `make run` can do without.
$(VENV)/.spark: $(VENV)/.installed
	@echo "[test] installing Spark"
	@$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt -e ".[spark]"
	@touch $@

run: checkout $(VENV)/.installed ## Run the whole chain on real data and write reports/index.html
	@echo "[run 1/2] pipeline: dvc repro"
	@onward repro -q
	@echo "[run 2/2] report, and versions to the local remote"
	@dvc push -q & onward report; reported=$$?; wait $$! && exit $$reported

test: checkout $(VENV)/.spark programs ## Run every check: lint, types, layers, tests with coverage
	@$(MAKE) --no-print-directory lint
	@echo "[test] pytest with branch coverage"
	@rm -f .coverage .coverage.*
	@python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term

test-quick: $(VENV)/.installed ## Run the quick tests only: no services, no pipeline, no coverage
	@python -m pytest -q -n 2 --dist worksteal --hypothesis-profile quick -m "not slow and not statistical and not end_to_end" \
	  tests/unit tests/property tests/contract

docs: $(VENV)/.installed ## Write the results' tables and pictures anew and build the pages into site/index.html
	@echo "[docs 1/2] tables and pictures"
	@python -m tools.readme && python -m tools.direction && python -m tools.results && python -m tools.peers && python -m tools.sizing
	@python -m tools.concepts && python -m tools.architecture
	@echo "[docs 2/2] mkdocs build --strict"
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo "site/index.html"

benchmarks: run ## Run every benchmark whose results are not of this commit; DATA=DIR names the public files
	@python -m benchmarks $(if $(DATA),--data $(DATA))

# Rivals need other versions of what Onward needs: they have an environment of their own and never share one.
$(PEERS)/.installed: benchmarks/peers/requirements.txt
	@echo "[peers 1/2] virtual environment in $(PEERS)"
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/pip install -qq --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch==2.13.0
	@$(PEERS)/bin/pip install -qq --disable-pip-version-check -r $<
	@touch $@

peers: $(VENV)/.installed $(PEERS)/.installed ## Run published methods on Onward's own splits, in .venv-peers; DATA=DIR names the public files
	@echo "[peers 2/2] python -m benchmarks.peers"
	@python -m benchmarks.peers $(if $(DATA),--data $(DATA))

# DVC and the runs' branches need git; a downloaded archive has none.
checkout:
	@test -e .git || { echo "This folder is not a git checkout: clone the repository, or turn the archive into one with \`git init && git add --all && git commit -m archive\`"; exit 1; }

# Tests start a browser, a PostgreSQL, a Redis and a Java of their own: they fail, and are never skipped, where one is missing.
programs:
	@missing=""; \
	test -n "$$ONWARD_CHROMIUM" || command -v chromium >/dev/null || missing="$$missing chromium"; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing="$$missing postgresql"; \
	command -v java >/dev/null || missing="$$missing default-jre-headless"; \
	test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "[test] installing$$missing"; \
	  apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else \
	  echo "[test] tests of these will fail:$$missing; on Debian: apt-get install$$missing"; \
	fi

lint: $(VENV)/.installed ## Run ruff, mypy --strict and import-linter
	@echo "[lint 1/3] ruff"
	@ruff check . && ruff format --check .
	@echo "[lint 2/3] mypy --strict"
	@mypy
	@echo "[lint 3/3] import-linter"
	@lint-imports --no-cache

format: $(VENV)/.installed ## Format the code
	@ruff check --fix -q . ; ruff format .

freeze: $(VENV)/.installed ## Write constraints.txt anew from the environment
	@{ echo "# Full freeze of the tested environment (Linux, CPython 3.11). Made by \`make freeze\`; used by every install."; \
	   $(BIN)/pip freeze --exclude-editable | grep -v ' @ ' | sed -E 's/\+(cpu|cu[0-9]+)$$//'; } > constraints.txt

airflow: $(VENV)/.installed ## Start Airflow's web UI, scheduler and DAG processor on loopback (Ctrl-C ends them)
	@onward airflow

dashboards: $(VENV)/.installed ## Start the MLflow and Evidently UIs and the page for on-call on loopback (Ctrl-C ends them)
	@onward dashboards

images: $(VENV)/.installed programs ## Build every image without a daemon, and start each service inside its own (root, buildah)
	@python -m tools.images $(if $(WHEELS),--wheels $(WHEELS) --torch-index=) $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

clean: ## Remove everything that was made, but not the environment
	@rm -rf artifacts reports site mlruns truth .onward .dvc-remote .dvc/cache .dvc/tmp .airflow monitoring/workspace monitoring/decisions monitoring/looks monitoring/actions .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
