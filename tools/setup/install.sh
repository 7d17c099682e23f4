#!/usr/bin/env bash
# Installs what building, testing and the demo need; does nothing when it is there.
#
# Debian packages come from packages.txt, Python packages (into .venv/) from the
# requirements*.txt beside this file. Each step says what it is about to install.
# What is optional (weights for the demo, ptxas, nvdisasm, NVRTC) may fail, offline for
# instance: that is said once and remembered; RETRY=1 tries again.
#
# Environment: PYTHON (interpreter for .venv, default python3), RETRY, TRITON
# (not empty: also the Triton compiler, 290 MB, for its tests), SANITIZERS (not
# empty: also clang's runtime libraries, for make test-sanitize and make fuzz).
set -euo pipefail

setup=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$setup/../.." && pwd)
venv=$root/.venv
llvm=$(sed -n 's/^set(TILEWRIGHT_LLVM_VERSION \([0-9]*\).*/\1/p' "$root/cmake/TilewrightCompiler.cmake")

say() { printf '%s\n' "$*"; }
fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

# The entries of a list file: no comments, no blanks.
entries() { sed -e 's/#.*//' -e 's/^ *//' -e 's/ *$//' -e '/^$/d' -e "s/{llvm}/$llvm/g" "$1"; }

# Removes the names of installed Debian packages from the list on stdin.
missing_packages() {
  local wanted installed
  wanted=$(cat)
  # shellcheck disable=SC2086
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
    sed -n 's/^installed //p' || true)
  comm -23 <(sort -u <<<"$wanted") <(sort -u <<<"$installed")
}

install_debian_packages() {
  local missing run=()
  local lists=("$setup/packages.txt")
  [[ -z ${SANITIZERS:-} ]] || lists+=("$setup/packages-sanitizers.txt")
  missing=$(cat "${lists[@]}" | entries - | missing_packages | tr '\n' ' ')
  [[ -n ${missing// /} ]] || return 0
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null ||
      fail "these Debian packages are missing and need root to install:" \
        "  apt-get update && apt-get install -y --no-install-recommends $missing"
    run=(sudo)
  fi
  say "Installing Debian packages: $missing"
  "${run[@]}" apt-get update -q
  # shellcheck disable=SC2086
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends $missing ||
    fail "apt-get could not install them all (above)." \
      "LLVM $llvm is in the security suite of Debian 12; elsewhere https://apt.llvm.org has it."
}

# Where there is no apt: say exactly what is missing and stop.
check_other_system() {
  local missing=() cmake_dir=""
  local config
  config=$(command -v "llvm-config-$llvm" || command -v llvm-config || true)
  if [[ -n ${MLIR_DIR:-} ]]; then
    cmake_dir=$MLIR_DIR
  elif [[ -n $config && $("$config" --version) == "$llvm".* ]]; then
    cmake_dir=$("$config" --prefix)/lib/cmake/mlir
  fi
  [[ -n $cmake_dir && -f $cmake_dir/MLIRConfig.cmake ]] ||
    missing+=("LLVM and MLIR $llvm with headers, static libraries, mlir-tblgen, lit and FileCheck (or set MLIR_DIR)")
  command -v cmake >/dev/null || missing+=("CMake 3.22 or newer")
  command -v ninja >/dev/null || missing+=("Ninja")
  command -v "clang++-$llvm" >/dev/null || command -v c++ >/dev/null ||
    missing+=("a C++20 compiler: clang $llvm, or g++ 12 or newer")
  [[ -f /usr/include/gtest/gtest.h || -f /usr/local/include/gtest/gtest.h ]] ||
    [[ -n ${GTest_DIR:-} ]] || missing+=("GoogleTest (or set GTest_DIR)")
  command -v "${PYTHON:-python3}" >/dev/null || missing+=("Python 3.11 or newer with venv and headers")
  [[ ${#missing[@]} -eq 0 ]] || fail "this system has no apt-get; please install:" \
    "${missing[@]/#/  }" "The names of the Debian packages are in tools/setup/packages.txt."
}

# The package in the build tree is importable from .venv without installing it.
link_build_tree() {
  local site
  for site in "$venv"/lib/python3*/site-packages; do
    [[ -f $site/tilewright-build.pth ]] || say "$root/build/python" >"$site/tilewright-build.pth"
  done
}

create_venv() {
  [[ -x $venv/bin/python ]] && "$venv/bin/python" -c '' 2>/dev/null && return 0
  local python=${PYTHON:-python3}
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is $("$python" --version 2>&1), needs 3.11 or newer; name one with PYTHON=..."
  "$python" -c 'import ensurepip, os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' \
    2>/dev/null || fail "$python lacks venv or its headers: install python3-venv and python3-dev"
  say "Creating a virtual environment in .venv with $("$python" --version)"
  rm -rf "$venv"
  "$python" -m venv "$venv"
}

# install_requirements <file> <required|optional> <what for>
install_requirements() {
  local file=$setup/$1 necessity=$2 purpose=$3
  local stamp=$venv/.installed-${1%.txt} hash
  hash=$(sha256sum "$file" | cut -d' ' -f1)
  if [[ -f $stamp ]]; then
    local state
    state=$(<"$stamp")
    [[ $state == "$hash" ]] && return 0
    [[ $state == "failed $hash" && -z ${RETRY:-} ]] && return 0
  fi
  # shellcheck disable=SC2046
  say "Installing Python packages ($purpose):" $(entries "$file")
  # On the slow side a mirror answers in seconds; offline must not take minutes.
  if "$venv/bin/python" -m pip install --disable-pip-version-check -q --no-deps \
    --retries 2 --timeout 30 -r "$file"; then
    say "$hash" >"$stamp"
  elif [[ $necessity == optional ]]; then
    say "failed $hash" >"$stamp"
    say "setup: could not install the packages for: $purpose. Going on without;" \
      "'make install RETRY=1' tries again."
  else
    fail "could not install the Python packages above: is the package index reachable?"
  fi
}

# Puts a tool that a wheel carries where .venv/bin is searched.
link_tool() {
  local tool=$1 file
  for file in "$venv"/lib/python3*/site-packages/nvidia/cu13/bin/"$tool"; do
    if [[ -x $file ]]; then
      ln -sf "$file" "$venv/bin/$tool"
      return 0
    fi
  done
}

install_cuda_tool() {
  local tool=$1
  # A tool of the system wins; the one in .venv does not count as that.
  PATH=${PATH//$venv\/bin:/} command -v "$tool" >/dev/null && return 0
  [[ $(uname -m) == x86_64 ]] || return 0
  install_requirements "requirements-$tool.txt" optional "$2"
  [[ -e $venv/bin/$tool ]] || link_tool "$tool"
}

install_nvrtc() {
  local root found
  for root in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
    for found in "$root"/lib64/libnvrtc.so.*; do
      [[ -n $root && -e $found ]] && return 0
    done
  done
  [[ $(uname -m) == x86_64 ]] || return 0
  install_requirements requirements-nvrtc.txt optional "to compile CUDA C++ for tw check"
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  install_debian_packages
else
  check_other_system
fi
create_venv
link_build_tree
install_requirements requirements.txt required "to build and test"
install_requirements requirements-demo.txt optional "for the demo: tokeniser, weights, drawing"
if [[ -n ${TRITON:-} ]]; then
  install_requirements requirements-triton.txt optional "to compile the tests' Triton kernels"
fi
install_cuda_tool ptxas "to assemble the PTX that tests emit"
install_cuda_tool nvdisasm "to count machine instructions"
install_nvrtc
