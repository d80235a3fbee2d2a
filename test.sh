#!/usr/bin/env bash
# Installs what is missing, builds the release preset, runs every test.
# Arguments go to ctest: ./test.sh -R golden
set -euo pipefail
cd "$(dirname "$0")"

tools/install_packages.sh
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
cmake --preset release
cmake --build --preset release
ctest --preset release "$@" </dev/null
