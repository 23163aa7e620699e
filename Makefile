PYTHON ?= python3
BIN := .venv/bin
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help run test chaos translations bench-llm tune packages deploy rollback restart manage releases stop lint format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## install what is missing and run everything on this machine; Ctrl-C stops it (PLATFORMS=real: no simulator)
	@scripts/install.sh run
	@exec env $(if $(PLATFORMS),HUB_PLATFORMS=$(PLATFORMS)) $(BIN)/python -m infra.local.stack

test: ## install what is missing, then lint, check types and run every test
	@scripts/install.sh dev
	@scripts/chromium.sh
	@scripts/node.sh
	@scripts/lint.sh
	@$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not long"
	@exec $(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m long

chaos: ## break everything while messages come, and count (SEED=, MESSAGES=, ORGANIZATIONS=)
	@scripts/install.sh dev
	@exec $(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(MESSAGES),--messages $(MESSAGES)) \
		$(if $(ORGANIZATIONS),--organizations $(ORGANIZATIONS)) $(if $(WITHOUT),--without $(WITHOUT))

bench-llm: ## compare llm_api with other servers, 22 minutes on an idle machine (QUICK=1: 4, BURST=64: 60)
	@scripts/install.sh bench
	@scripts/llama_server.sh
	@exec $(BIN)/python -m benchmarks.llm $(if $(QUICK),--quick) $(if $(BURST),--burst $(BURST) --limit 60)

tune: ## find what makes the embedded model fastest on this machine, in two minutes; llm_api then uses it
	@scripts/install.sh run
	@exec $(BIN)/python -m llm_api.tune

packages: ## build the zip files for AWS Lambda from the commit that is checked out, into packages/
	@scripts/install.sh dev
	@exec $(BIN)/python -m infra.packages

deploy: ## put the commit that is checked out on a stage of infra/stages (STAGE=local: on this machine)
	@scripts/install.sh run
	@exec $(BIN)/python -m infra.deployment deploy $(STAGE)

rollback: ## put a stage back to the release before, or to another (STAGE=, RELEASE=)
	@scripts/install.sh run
	@exec $(BIN)/python -m infra.deployment rollback $(STAGE) $(RELEASE)

restart: ## have every function of a stage read its secrets anew (STAGE=)
	@scripts/install.sh run
	@exec $(BIN)/python -m infra.deployment restart $(STAGE)

manage: ## run a command of manage.py on a stage (STAGE=, COMMAND=)
	@scripts/install.sh run
	@exec $(BIN)/python -m infra.deployment manage $(STAGE) "$(COMMAND)"

releases: ## list what ran on a stage (STAGE=)
	@scripts/install.sh run
	@exec $(BIN)/python -m infra.deployment releases $(STAGE)

stop: ## end what a stage on this machine stands on (STAGE=local)
	@scripts/install.sh run
	@exec $(BIN)/python -m infra.deployment stop $(STAGE)

translations: ## bring the catalogues of the console's other languages in step with the sources
	@scripts/install.sh dev
	@exec $(BIN)/python -m infra.catalogue

lint: ## check style and types
	@scripts/install.sh dev
	@scripts/lint.sh

format: ## format the code and mend what ruff can mend
	@scripts/install.sh dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what make installed and cached, not the data in HUB_HOME
	rm -rf .venv tests/adapters/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
