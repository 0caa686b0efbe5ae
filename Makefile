# make demo    the main job on this machine: a real Slurm cluster, a real registry, on loopback
# make test    all tests; make check: lint and types; make tools: programs from a newer Debian suite
# make bench   what it costs, as ratios within one run
# make race    the long form of a test: a hundred writers of the index killed, among readers and collectors
# make slurm-matrix   random requests on the Slurm of three Debian releases, in folders of their own (as root; minutes)
# make apptainer-test  images that real apptainer, umoci and skopeo make, in a folder of its own (as root; minutes at first)
# Each does its own set-up: a virtual environment, Debian packages (as root or with sudo), private tools.

PYTHON ?= python3
VENV = .venv
TOOLS = .tools
CHROOTS = $(TOOLS)/chroots
# Their Slurm when this was written: 22.05, 24.11, 26.05; each run says which it found.
SUITES = bookworm trixie sid
APPTAINER_SUITE = sid
APPTAINER_PACKAGES = apptainer squashfs-tools umoci skopeo openssl python3-yaml python3-jsonschema
MATRIX_CASES = 300
MATRIX_SEED = 1
BIN = $(VENV)/bin

.PHONY: demo test check bench race slurm-matrix apptainer-test packages tools clean
.DELETE_ON_ERROR:

demo: packages tools $(VENV)/.complete
	@$(BIN)/python -m tests.demo

test: packages tools $(VENV)/.complete
	$(BIN)/pytest

check: $(VENV)/.complete
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: packages $(VENV)/.complete
	$(BIN)/python -m benchmarks.rules
	$(BIN)/python benchmarks/collector.py
	$(BIN)/python benchmarks/cluster.py
	$(BIN)/python -m benchmarks.buildcache
	$(BIN)/python -m benchmarks.submission

race: packages $(VENV)/.complete
	HPCCOMPAT_TEST_KILLS=100 $(BIN)/pytest tests/nodes/test_index_race.py

slurm-matrix:
	@for suite in $(SUITES); do sh tests/setup/chroot.sh make $$suite $(CHROOTS)/$$suite || exit; done
	@failed=; for suite in $(SUITES); do \
	    sh tests/setup/chroot.sh run $(CHROOTS)/$$suite . \
	        env HPCCOMPAT_TEST_CASES=$(MATRIX_CASES) HPCCOMPAT_TEST_SEED=$(MATRIX_SEED) PYTHONDONTWRITEBYTECODE=1 \
	        python3 -m pytest -q -s -p no:cacheprovider tests/integration/test_constraint_on_cluster.py || \
	        failed="$$failed $$suite"; \
	done; [ -z "$$failed" ] || { echo "failed on:$$failed" >&2; exit 1; }

apptainer-test:
	@sh tests/setup/chroot.sh make $(APPTAINER_SUITE) $(CHROOTS)/$(APPTAINER_SUITE)
	@sh tests/setup/chroot.sh add $(CHROOTS)/$(APPTAINER_SUITE) $(APPTAINER_PACKAGES)
	@sh tests/setup/chroot.sh run $(CHROOTS)/$(APPTAINER_SUITE) . env PYTHONDONTWRITEBYTECODE=1 \
	    sh -c 'apptainer --version && exec python3 -m pytest -q -p no:cacheprovider tests/apptainer'

packages:
	@sh tests/setup/packages.sh

tools: packages
	@sh tests/setup/tools.sh $(TOOLS)

$(VENV)/.complete: pyproject.toml | packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "hpccompat needs Python 3.10 or newer, $(PYTHON) is older; try make PYTHON=python3.11" >&2; exit 2; }
	@echo "setting up $(VENV)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) $(TOOLS)
