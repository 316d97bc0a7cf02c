# Everything a user or contributor does, one line each. `make run` and `make test` bootstrap themselves.
.PHONY: run test check format bench soak parts lock clean
BIN := .venv/bin

run: .venv/run ## the whole product with the demo market maker, at http://127.0.0.1:8080
	$(BIN)/flashmm up --demo

test: .venv/dev ## every test that this machine can run, with the coverage gate
	$(BIN)/pytest -n 2 --cov --cov-report=term

check: .venv/dev ## formatting, lint, types, import contracts
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/pyright && $(BIN)/lint-imports

format: .venv/dev
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: .venv/dev ## print the tables of docs/internals/numbers.md again
	$(BIN)/python -m tests.bench

soak: .venv/dev ## the long fault and fuzz runs, whole
	FLASHMM_SOAK=1 $(BIN)/pytest -m soak --timeout 7200

parts: ## the real servers that tests run against, from their Go modules, cached
	tests/parts/build

.venv/run: requirements/run.lock pyproject.toml instrumentation/pyproject.toml
	.ci/venv run
	@touch $@

.venv/dev: requirements/dev.lock pyproject.toml instrumentation/pyproject.toml
	.ci/venv dev
	@touch $@ .venv/run

lock: ## resolve again; writes names, versions and hashes only
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --no-emit-package flashmm-instrumentation --python-version 3.11 pyproject.toml instrumentation/pyproject.toml requirements/build.in -o requirements/run.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --no-emit-package flashmm-instrumentation --python-version 3.11 pyproject.toml instrumentation/pyproject.toml requirements/build.in --group dev -o requirements/dev.lock

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
