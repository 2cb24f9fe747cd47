# The two commands: `make search` and `make test`. Both set everything up first. Without
# a C++ compiler they work as well: the kernels for CPUs are then not compiled, and
# TensorFlow's do, slower.

PYTHON ?= python3
VENV ?= .venv
ifeq ($(origin CXX), default)
CXX := c++
endif
KERNELS := $(wildcard keras_atdarts/kernels/native/source/*)
SANITIZER := $(wildcard tests/kernels/sanitizer/*)

.PHONY: search test lint sanitize wheel install

search: install
	$(VENV)/bin/python train/search.py

# Three processes for two cores: some tests wait for others, or for Ray.
test: install
	$(VENV)/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

# The kernels with wrong and odd shapes, under the sanitizers of addresses and of
# undefined behaviour, see tests/kernels/sanitizer.
sanitize:
	@if command -v $(CXX) >/dev/null; then $(MAKE) build/sanitize && build/sanitize; \
	else echo "make sanitize: skipped, there is no C++ compiler: apt install g++"; fi

build/sanitize: $(KERNELS) $(SANITIZER)
	mkdir -p build
	$(CXX) -std=gnu++17 -O1 -g1 -march=native -fno-math-errno -Wall -Wno-psabi \
	-fsanitize=address,undefined -fno-sanitize-recover=all \
	-Ikeras_atdarts/kernels/native/source -o $@ tests/kernels/sanitizer/main.cc \
	keras_atdarts/kernels/native/source/operations.cc

# A wheel with compiled kernels, for machines that have the same Python and no compiler.
# What an earlier build left would get into it, files that are gone among them.
wheel: install
	rm -rf build/lib* build/bdist*
	ATDARTS_KERNELS=required $(VENV)/bin/pip wheel --no-deps --wheel-dir dist .

install: $(VENV)/installed

$(VENV)/installed: requirements.txt pyproject.toml setup.py $(KERNELS)
	$(PYTHON) -m venv $(VENV) || (echo "No virtual environment could be made. On \
	Debian and Ubuntu: apt install python3-venv" && exit 1)
	$(VENV)/bin/pip install --quiet --editable '.[test]'
	touch $@
