# Everything a developer or CI runs. Each target sets up .venv from the lock file first; a repeated run skips that.
#
#   make demo                         PYTHON=/path/to/python3.11 make test
#   make test ARGS="-k signing -x"    make demo ARGS="--real-kafka"

SHELL := bash
# pytest caches the compiled tests: each process collects them in 3 s rather than 8
unexport PYTHONDONTWRITEBYTECODE
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo unit pythons test check format bench rules chart manifests lock sbom image clean

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
SOURCES := streams schemas connector simulator devstack tests benchmarks deploy setup.py
# Tests on a broker wait most of the time: six of them use two cores. They run first, and each process takes the next
# test when it has finished one; the tests of some files stay in one process (tests/conftest.py), because they share
# what is slow to start. A process that dies ends the run. ARGS="-n 0" is one process, as a debugger needs it.
SIDE_BY_SIDE := -n 6 --dist loadscope --max-worker-restart 0
UNIT_SIDE_BY_SIDE := -n 3 --dist worksteal
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
           --custom-compile-command "make lock" pyproject.toml

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## offers flow in one command, no account needed: broker, registry, marketplace and connector on this machine
	@$(BIN)/connector demo $(ARGS)

unit: $(READY) ## the tests that need neither Java nor Docker, in about a minute
	@TESTS=unit $(BIN)/pytest $(UNIT_SIDE_BY_SIDE) -m "not kafka and not slow" $(ARGS)

pythons: ## `make unit` with each supported Python that is on this machine, in a .venv-3.x of its own
	@for minor in 3.11 3.12 3.13 3.14; do \
	  if python=$$(command -v python$$minor) && "$$python" -c '' 2>/dev/null; then \
	    $(MAKE) --no-print-directory unit VENV=.venv-$$minor PYTHON="$$python"; \
	  else echo "python$$minor is not on this machine: not tested"; fi; \
	done

test: $(READY) ## every test, on a real Apache Kafka and registry
	@$(KAFKA_FOR_TESTS)
	@$(BIN)/pytest $(SIDE_BY_SIDE) $(ARGS)

check: $(READY) ## format, lint, types, dependency rule, schema history, Dockerfile
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/pytest -q --durations=0 tests/test_architecture.py
	@$(BIN)/python -m schemas check
	@$(BIN)/hadolint Dockerfile
	@[ -f deploy/image/digests.env ] || echo "warning: base images are not pinned by digest: run deploy/image/pin where Docker reaches the registries, and commit deploy/image/digests.env" >&2

format: $(READY) ## rewrite the sources as `make check` wants them
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

bench: $(READY) ## the measured claims beside a naive consumer and a bare loop, on a real Kafka (ARGS=--quick: a minute)
	@$(KAFKA_FOR_TESTS)
	@$(BIN)/python -m benchmarks $(ARGS)

rules: ## alert rules with promtool: each with input that must fire it and input that must not
	@command -v promtool >/dev/null || { echo "promtool is not there: it is part of Prometheus (Debian: the package prometheus)" >&2; exit 2; }
	@promtool check rules deploy/prometheus/rules.yaml
	@promtool test rules deploy/prometheus/rules_test.yaml

chart: $(READY) ## the Helm chart with helm: lint, six configurations, deploy/manifests as it renders them
	@$(HELM_IS_THERE)
	@rendered=$$(mktemp -d); trap 'rm -rf "$$rendered"' EXIT; \
	for values in deploy/chart/ci/*-values.yaml; do \
	  helm lint --quiet --kube-version $(KUBERNETES) --values $$values deploy/chart; \
	  helm template --kube-version $(KUBERNETES) --values $$values kaufland-stream-connector deploy/chart \
	    > "$$rendered/$$(basename $$values)"; \
	done; \
	$(VALIDATE) --quiet "$$rendered"/*
	@for name in connector monitoring jobs; do diff deploy/manifests/$$name.yaml <($(call RENDERED,$$name)) \
	  || { echo "deploy/manifests/$$name.yaml is not what the chart renders: run make manifests" >&2; exit 1; }; done

manifests: ## write deploy/manifests from the chart, with helm
	@$(HELM_IS_THERE)
	@cp deploy/prometheus/rules.yaml deploy/chart/rules.yaml
	@for name in connector monitoring jobs; do $(call RENDERED,$$name) > deploy/manifests/$$name.yaml; done

lock: $(READY) ## pin what pyproject.toml asks for: versions and hashes, no addresses (UPGRADE=1: the newest)
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --extra dev --extra build --extra traces --output-file requirements.lock
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --extra build --extra traces --output-file requirements-run.lock --constraint requirements.lock

sbom: $(READY) ## write deploy/image/sbom.cdx.json from requirements-run.lock
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(BIN)/uv venv --quiet --python $(BIN)/python "$$folder/image"; \
	$(BIN)/uv pip install --quiet --python "$$folder/image" --require-hashes -r requirements-run.lock; \
	$(BIN)/uv pip uninstall --quiet --python "$$folder/image" setuptools; \
	UV=$(BIN)/uv deploy/image/make-sbom "$$folder/image/bin/python" > "$$folder/sbom"; \
	cp "$$folder/sbom" deploy/image/sbom.cdx.json

image: ## the image from a base image by digest, which deploy/image/pin asks for (needs Docker; ARGS="--tag NAME")
	@deploy/image/build $(ARGS)

KUBERNETES := 1.30.0
# Has the schemas of Kubernetes, 108 MB: fetched when the chart is checked, not for every developer.
VALIDATE := $(BIN)/uv tool run --quiet kubernetes-validate@1.37.0 --strict --no-warn --kubernetes-version 1.30
RENDERED = deploy/manifests/render $(1) --kube-version $(KUBERNETES)
HELM_IS_THERE := command -v helm >/dev/null || { echo "helm is not there: install helm 3 or 4, or go install helm.sh/helm/v3/cmd/helm@latest" >&2; exit 2; }

clean: ## remove what the targets made: .venv, caches, the broker for tests
	@rm -rf $(VENV) .venv-3.* .stack .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

# The package itself is installed editable with the locked build backend: nothing is fetched that the lock does not name.
$(READY): requirements.lock pyproject.toml
	@$(FIND_PYTHON)
	@echo "Installing the locked dependencies into $(VENV) (once; about half a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

define FIND_PYTHON
if [ ! -x $(BIN)/python ]; then \
  for python in $${PYTHON:-python3.11 python3.12 python3.13 python3}; do \
    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
      echo "Making $(VENV) with $$("$$python" --version)"; "$$python" -m venv $(VENV); exit; \
    fi; \
  done; \
  echo "No Python 3.11 or newer with its venv module: tried $${PYTHON:-python3.11 python3.12 python3.13 python3}" >&2; \
  echo "Install one (Debian, Ubuntu: python3 and python3-venv), or name it: PYTHON=/path/to/python make ..." >&2; \
  exit 2; \
fi
endef

define KAFKA_FOR_TESTS
java=$$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' || true); \
if [ -z "$${KAFKA_BOOTSTRAP_SERVERS:-}" ] && ! { [ "$${java:-0}" -ge 17 ] && mvn --version >/dev/null 2>&1; } \
   && ! docker info >/dev/null 2>&1; then \
  echo "The tests run on a real Apache Kafka and a real schema registry. They need one of:" >&2; \
  echo "  - Java 17 or newer and Maven: broker and registry run on this machine (the quickest)" >&2; \
  echo "  - Docker: they run in containers" >&2; \
  echo "  - KAFKA_BOOTSTRAP_SERVERS and SCHEMA_REGISTRY_URL: ones that already run, and that may be filled with test topics" >&2; \
  exit 2; \
fi
endef
