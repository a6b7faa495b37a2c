# branchloop: `make demo` shows it, `make test` proves it. Both create .venv and install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check lint screenshot clean

demo: $(VENV)/.demo
	@tools/system-libraries demo
	$(BIN)/branchloop demo $(ARGS)

# Four at a time on two cores: many tests wait for processes; a file's tests stay together, since they share what
# they started, and files come in the order of tests/conftest.py, the longest first. Byte code is kept even where the
# machine says otherwise: tests start hundreds of processes, each of which would compile all it imports.
test: $(VENV)/.test
	@tools/system-libraries test
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

# What must be green before a change lands.
check: lint test

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

screenshot: $(VENV)/.test
	@tools/system-libraries test
	$(BIN)/python tools/make_screenshot.py docs/live.png

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "branchloop needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade 'pip>=25.1'

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q -e '.[all]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q -e '.[all,openvino]' --group dev
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) dist build
