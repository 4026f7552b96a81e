#!/usr/bin/env bash
# From a fresh clone to measured dissonance: sets up .venv, builds the demo session from samples
# that the installed packages carry, annotates it with the embedded models, and prints the table.
#
# Usage: bash scripts/demo.sh [RUN_FOLDER]     (default: demo-run)

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

exec .venv/bin/emodiss demo --out "${1:-demo-run}"
