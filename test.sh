#!/usr/bin/env bash
# Installs what testing needs, builds, and passes all tests. Safe to run again, and quick the second time.
# Usage: ./test.sh [PRESET]      dev (default), asan-ubsan, clang, tsan: see CMakePresets.json
set -euo pipefail
cd "$(dirname "$0")"
preset=${1:-dev}

tools/install_packages --tests
[ "$preset" = dev ] || tools/install_packages --clang
# The real model: tests that need it are skipped, and say so, where it cannot be had.
export HEW_MODELS=${HEW_MODELS:-$PWD/models}
tools/fetch_model "$HEW_MODELS" || echo "no model: the tests that need SmolLM2 will be skipped"

cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -j "${HEW_JOBS:-$(nproc)}"
ctest --preset "$preset"
