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
step "types"
.venv/bin/pyright
step "tests"
export OMP_NUM_THREADS=1 MPLBACKEND=Agg HF_HUB_OFFLINE=1
# One worker per core; a file stays together, because its tests share what is dear to make.
exec .venv/bin/pytest -n auto --dist loadfile "$@"
