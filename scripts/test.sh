#!/usr/bin/env bash
# Set up .venv and run every check: format, lint, types, spelling and tests.
#
# Usage: bash scripts/test.sh [pytest arguments]

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

step() { printf '\n== %s\n' "$1"; }

step "format"
.venv/bin/ruff format --check .
step "lint"
.venv/bin/ruff check .
step "spelling"
.venv/bin/codespell emodiss scripts tests manifests README.md
# Types are checked beside the tests, which wait for files and other processes now and then.
types="$(mktemp)"
trap 'rm -f "$types"' EXIT
.venv/bin/pyright > "$types" 2>&1 &
pyright=$!
step "tests"
export OMP_NUM_THREADS=1 MPLBACKEND=Agg HF_HUB_OFFLINE=1
# One worker per core; a file stays together, because its tests share what is dear to make. Files
# come in the order of the collection: tests/conftest.py puts those with slow tests first.
failed=0
.venv/bin/pytest -n auto --dist loadfile --no-loadscope-reorder "$@" || failed=$?
step "types"
wait "$pyright" || failed=$?
cat "$types"
exit "$failed"
