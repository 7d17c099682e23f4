# Tilewright: from a fresh clone, `make demo` and `make test` are all it takes.
#
#   make demo     installs what is missing, builds, runs the demo
#   make test     installs, builds, runs lit, GoogleTest and pytest
#   make lint     formatting, tests that cannot fail, file sizes, Python style
#   make build    installs and builds only
#   make install  installs only (RETRY=1 tries optional packages again, TRITON=1 adds Triton)
#   make clean    removes what was built, keeps .venv
#   make test-device-full  runs CUDA programs in 20 orders, compiles them all anew
#   make test-ptxas-full  assembles default schedules of every target, looking for spills
#   make test-scales-full  runs the full product of formats, groups, scales, zero points, dtypes
#   make test-attention-full  runs the full product of attention's shapes, an hour
#   make test-sanitize    runs the runtime's GoogleTest suites under ASan and UBSan, and test-threads
#   make test-threads     runs blocks on several host threads under TSan
#   make mutation proves the emulated device's checkers: mutants of correct kernels (minutes)
#   make fuzz     fuzzes the emulated device, FUZZ_SECONDS=60 for each of three targets
#   make gpu-bundle packs what a machine with a GPU needs (BUNDLE_PYTHON=python3.12)
#
# JOBS=n sets the number of parallel jobs, CMAKE_FLAGS=... adds to the
# configuration (it is remembered in build/ until make clean), TESTS=path runs a
# part of pytest or lit only.
SHELL := /bin/bash
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PYTHON_BIN := $(CURDIR)/.venv/bin/python
# Tools of the system first, then those that Python wheels carry.
export PATH := $(PATH):$(CURDIR)/.venv/bin

.PHONY: demo test test-device-full test-scales-full test-attention-full test-ptxas-full test-sanitize test-threads mutation fuzz gpu-bundle lint build install install-sanitizers clean help
.DEFAULT_GOAL := help

help:
	@sed -n '3,17p' Makefile | cut -c3-

install:
	@tools/setup/install.sh

# Configured once; CMake itself notices later changes of its files.
build/build.ninja: CMakePresets.json | install
	@echo "Configuring build/ (log: build/configure.log)"
	@mkdir -p build
	@cmake --preset release -DPython_EXECUTABLE=$(PYTHON_BIN) $(CMAKE_FLAGS) \
	  > build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	@touch $@

build: install build/build.ninja
	@cmake --build build -j $(JOBS)

demo: build
	@$(PYTHON_BIN) examples/sentence_encoder/main.py

test: build
	@$(PYTHON_BIN) tools/run_tests.py --build build --jobs $(JOBS) $(TESTS)

test-device-full: build
	@TILEWRIGHT_CUDA_FULL=1 TILEWRIGHT_ORDERS=16 $(PYTHON_BIN) tools/run_tests.py --build build \
	  test/python/device

# In eight processes, one after the other: each keeps the kernels it compiles.
test-scales-full: build
	@status=0; for part in 0 1 2 3 4 5 6 7; do \
	  TILEWRIGHT_SCALES_FULL=$$part/8 $(PYTHON_BIN) tools/run_tests.py --build build \
	    test/python/test_scales.py test/python/test_float_weights.py || status=1; \
	done; exit $$status

# In eight processes, as above.
test-attention-full: build
	@status=0; for part in 0 1 2 3 4 5 6 7; do \
	  TILEWRIGHT_ATTENTION_FULL=$$part/8 $(PYTHON_BIN) tools/run_tests.py --build build \
	    test/python/attention/test_acceptance.py || status=1; \
	done; exit $$status

test-ptxas-full: build
	@TILEWRIGHT_PTXAS_FULL=1 $(PYTHON_BIN) tools/run_tests.py --build build --jobs $(JOBS) \
	  test/python/facts

# Sanitizers and libFuzzer come with clang's runtime libraries.
install-sanitizers:
	@SANITIZERS=1 tools/setup/install.sh

# An executable may take 15 minutes: the exhaustive tests are several times slower here.
test-sanitize: install-sanitizers
	@cmake --preset sanitize > /dev/null
	@cmake --build build-sanitize -j $(JOBS)
	@cd build-sanitize && UBSAN_OPTIONS=print_stacktrace=1 \
	  ctest --output-on-failure -j $(JOBS) --timeout 900
	@$(MAKE) --no-print-directory test-threads

# Blocks on several host threads: what they do, and programs of test/cuda.
test-threads: install-sanitizers
	@cmake --preset tsan > /dev/null
	@cmake --build build-tsan -j $(JOBS) --target EmulatorTests
	@TSAN_OPTIONS=halt_on_error=1 build-tsan/unit/EmulatorTests --gtest_brief=1 \
	  --gtest_filter='Parallel.*:*CudaKernels*'

FUZZ_SECONDS ?= 60
fuzz: install-sanitizers
	@cmake --preset fuzz > /dev/null
	@cmake --build build-fuzz -j $(JOBS) --target FuzzParse FuzzLoad FuzzRun
	@$(PYTHON_BIN) tools/fuzz.py --build build-fuzz --seconds $(FUZZ_SECONDS)

mutation: build
	@$(PYTHON_BIN) -m tools.mutation --jobs $(JOBS) --json build/mutation.json

gpu-bundle: build
	@PYTHONPATH=tools $(PYTHON_BIN) tools/gpu/bundle.py --build build

lint: install
	@$(PYTHON_BIN) tools/lint.py
	@$(PYTHON_BIN) tools/docs/generate.py --check

clean:
	rm -rf build build-sanitize build-tsan build-fuzz out
