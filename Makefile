PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: check

# The environment is built again whenever the lock or the distribution's description changes.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Retinue needs Python 3.11 or newer, this is %s: make PYTHON=python3.11" % sys.version.split()[0])'
	@echo "Preparing .venv (once; a minute or so)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
