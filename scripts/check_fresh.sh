#!/usr/bin/env bash
# Try both commands as on a machine that has never seen emodiss: in a minimal Debian (python3, pip,
# venv, git and certificates; no library of a desktop, no hosts file), with a clean clone of HEAD.
# Then the same demo from a wheel: `pip install "emodiss[demo]"`. By hand or nightly: it installs
# everything, which takes 20 GB and some 30 minutes.
#
# Usage: sudo bash scripts/check_fresh.sh [pytest arguments]
#
#   SUITE=trixie     another release; default bookworm (Debian 12)
#   ROOT=/big/disk   where to make the machine; default a new folder in TMPDIR. Removed at the end
#   KEEP=1           leave it there to look around: chroot ROOT
#   CACHE=~/.cache   a folder that serves as the cache of downloads; default none, as when fresh
#   STEPS="demo"     some of: demo test wheel; default all
#
# Needs debootstrap and root. How this machine reaches its package index (pip's and uv's settings,
# proxies, certificates) holds inside too; nothing else of this machine is seen there.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SUITE="${SUITE:-bookworm}"
STEPS="${STEPS:-demo test wheel}"

# Everything below runs in a mount namespace of its own. What is mounted into the root vanishes with
# it, so that removing the root can never remove what lies behind a mount.
if [ -z "${IN_NAMESPACE:-}" ]; then
    for tool in debootstrap unshare chroot; do
        command -v "$tool" > /dev/null || { echo "check_fresh.sh needs $tool." >&2; exit 2; }
    done
    [ "$(id -u)" = 0 ] || { echo "check_fresh.sh makes a chroot: run it as root." >&2; exit 2; }
    ROOT="${ROOT:-$(mktemp -d)}"
    if [ -e "$ROOT" ] && [ -n "$(ls -A "$ROOT")" ]; then
        echo "$ROOT is not empty." >&2
        exit 2
    fi
    mkdir -p "$ROOT"
    status=0
    IN_NAMESPACE=1 ROOT="$(cd "$ROOT" && pwd)" SUITE="$SUITE" STEPS="$STEPS" \
        unshare --mount --pid --fork bash scripts/check_fresh.sh "$@" || status=$?
    if [ -n "${KEEP:-}" ]; then
        echo "The machine is left in $ROOT." >&2
    else
        rm -rf "$ROOT"
    fi
    exit "$status"
fi

say() { printf '\n==== %s\n' "$1" >&2; }

# The same path inside: a file is copied, a folder mounted read-only.
share() {
    if [ ! -e "$1" ] || [ "$1" -ef "$ROOT$1" ]; then return; fi
    if [ -d "$1" ]; then
        mkdir -p "$ROOT$1"
        mount --bind "$1" "$ROOT$1"
        mount -o remount,bind,ro "$ROOT$1"
    else
        mkdir -p "$ROOT$(dirname "$1")"
        cp -L "$1" "$ROOT$1"
    fi
}

say "Debian $SUITE in $ROOT"
debootstrap --variant=minbase \
    --include=ca-certificates,git,python3,python3-pip,python3-venv "$SUITE" "$ROOT" |
    tail -n 1 >&2
rm -f "$ROOT/etc/hosts"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
share /etc/resolv.conf
share /etc/ssl/certs/ca-certificates.crt
kept=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin)
while IFS='=' read -r name value; do
    kept+=("$name=$value")
done < <(env | grep -iE '^(pip_|uv_|ssl_cert|requests_ca_bundle=|(https?|no|all)_proxy=)')
settings="$(python3 -m pip config debug 2> /dev/null | sed -n 's/^ *\(.*\), exists: True$/\1/p')"
for file in $settings /etc/uv/uv.toml "$HOME/.config/uv/uv.toml"; do
    share "$file"
done
# Folders and files that those settings name, such as an index on disk.
for path in $({ python3 -m pip config list 2> /dev/null; printf '%s\n' "${kept[@]:3}"; } |
    tr " '=" '\n' | sed -n 's#^\(file://\)\?\(/.\+\)#\2#p' | sort -u); do
    share "${path%/simple}" # an index's pages name files that lie beside them
done
if [ -n "${CACHE:-}" ]; then
    mkdir -p "$ROOT/root/.cache"
    mount --bind "$CACHE" "$ROOT/root/.cache"
fi

[ -z "$(git status --porcelain)" ] || echo "What is not committed is left out." >&2
git clone --quiet --no-hardlinks . "$ROOT/root/emodiss"

inside() { chroot "$ROOT" env -i "${kept[@]}" bash -c "cd /root/emodiss && $1"; }
failed=0
report=()
step() {
    local started="$SECONDS" code=0
    case " $STEPS " in *" $1 "*) ;; *) return ;; esac
    say "$1: $2"
    inside "$2" || code=$?
    report+=("$1: exit $code after $((SECONDS - started)) s")
    [ "$code" = 0 ] || failed=1
}

printf -v arguments ' %q' "$@"
[ "$#" -gt 0 ] || arguments=""
wheel="python3 -m venv /root/plain && /root/plain/bin/pip install --quiet '.[demo]'"
step demo "bash scripts/demo.sh"
step test "bash scripts/test.sh$arguments"
step wheel "$wheel && cd /root && plain/bin/emodiss demo --out plain-run"

say "Debian $(cat "$ROOT/etc/debian_version"), $(inside 'python3 --version')"
printf '%s\n' "${report[@]}"
exit "$failed"
