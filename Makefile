# Every target sets up .venv by itself and re-installs only when the project's requirements change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PEERS := .venv-peers
BENCHMARKS := $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py))

CLIENTS := $(patsubst tests/clients/%.txt,%,$(wildcard tests/clients/*.txt))
CLIENT_VENVS := .venv-clients

.PHONY: install demo test test-train test-clients lint bench clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kptdata needs Python 3.11 or newer; run: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	# Every OpenCV flavour is fine; where no display library is installed, only the headless one imports.
	$(BIN)/python -c 'import cv2' 2>/dev/null || { \
	  $(BIN)/python -m pip uninstall --quiet --yes opencv-python && \
	  $(BIN)/python -m pip install --quiet 'opencv-python-headless>=4.8' && \
	  $(BIN)/python -c 'import cv2'; }
	touch $@

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# Trains each kind of head, for tens of minutes on two cores.
test-train: $(STAMP)
	$(BIN)/python -m pytest -s tests/train/learning.py

# Other tools read what the writers wrote, each in an environment of its own.
test-clients: $(STAMP) $(CLIENTS:%=$(CLIENT_VENVS)/%/.installed)
	$(BIN)/python tests/clients/make_data.py $(CLIENT_VENVS)/data
	@for client in $(CLIENTS); do \
	  $(CLIENT_VENVS)/$$client/bin/python tests/clients/$${client}_client.py $(CLIENT_VENVS)/data || exit 1; \
	done

# What a client asks for but does not need goes without: those in NAME.nodeps bring nothing along.
$(CLIENT_VENVS)/%/.installed: tests/clients/%.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --requirement $<
	test ! -f tests/clients/$*.nodeps || $(@D)/bin/python -m pip install --quiet --no-deps --requirement tests/clients/$*.nodeps
	touch $@

# The main job on drawn people; afterwards open demo/index.html.
demo: $(STAMP)
	$(BIN)/kpt demo -o demo

# Side by side with the peers, which live in an environment of their own; some scripts take minutes.
bench: $(STAMP) $(PEERS)/.installed $(CLIENT_VENVS)/datumaro/.installed
	@for script in $(BENCHMARKS); do echo "$$script"; $(BIN)/python $$script --json || exit 1; done

$(PEERS)/.installed: benchmarks/peers.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --requirement benchmarks/peers.txt
	$(PEERS)/bin/python -m pip install --quiet --no-deps mmpose==1.3.2
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) $(CLIENT_VENVS) demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
