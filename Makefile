# The two commands: `make search` and `make test`. Both set everything up first.

PYTHON ?= python3
VENV ?= .venv

.PHONY: search test lint install

search: install
	$(VENV)/bin/python train/search.py

test: install
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

install: $(VENV)/installed

$(VENV)/installed: requirements.txt pyproject.toml setup.py $(wildcard keras_atdarts/kernels/native/source/*)
	$(PYTHON) -m venv $(VENV) || (echo "No virtual environment could be made. On \
	Debian and Ubuntu: apt install python3-venv" && exit 1)
	$(VENV)/bin/pip install --quiet --editable '.[test]'
	touch $@
