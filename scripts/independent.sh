#!/usr/bin/env bash
# Check our logs with other people's code. Installs Go and its tlog package where that is allowed (Debian), builds the
# checker, runs the tests marked `independent`. Without Go they skip and say so.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"
SOURCES=/usr/share/gocode/src/golang.org/x/mod/sumdb

if ! command -v go >/dev/null || [ ! -d "$SOURCES" ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get install -y --no-install-recommends golang-go golang-golang-x-mod-dev \
      || echo "independent.sh: Go could not be installed: its tests will skip" >&2
  else
    echo "independent.sh: install golang-go and golang-golang-x-mod-dev: without them the Go tests skip" >&2
  fi
fi

# A witness and a checker that somebody else wrote need Python 3.12 or newer: a virtual environment of their own
if [ -z "${BWC_AICS:-}" ]; then
  for newer in python3.14 python3.13 python3.12; do
    if "$newer" -c 'import venv' 2>/dev/null; then
      place="${TMPDIR:-/tmp}/bwc-aics-$(id -u)"
      if "$newer" -m venv "$place" && "$place/bin/pip" install -q aics-witness==0.1.0 aics-tlog==0.2.1; then
        export BWC_AICS="$place/bin"
      fi
      break
    fi
  done
  [ -n "${BWC_AICS:-}" ] || echo "independent.sh: no Python 3.12 or newer: the aics tests will skip" >&2
fi
# A reader of tlog-tiles that somebody else wrote
if [ -z "${BWC_TLOG_SCALES:-}" ]; then
  place="${TMPDIR:-/tmp}/bwc-tlog-scales-$(id -u)"
  if "$PYTHON" -m venv "$place" && "$place/bin/pip" install -q --disable-pip-version-check tlog-scales==0.0.3; then
    export BWC_TLOG_SCALES="$place/bin"
  else
    echo "independent.sh: tlog-scales could not be installed: its tests will skip" >&2
  fi
fi
# The judges of exports (case_validate, bagit): 320 MB, BWC_EXCHANGE=0 leaves them out
if [ "${BWC_EXCHANGE:-1}" != 0 ] && [ -z "${BWC_EXCHANGE_TOOLS:-}" ]; then
  place=.venv/exchange
  if "$PYTHON" -m venv "$place" && "$place/bin/pip" install -q --disable-pip-version-check case-utils==0.18.0 bagit==1.9.0; then
    export BWC_EXCHANGE_TOOLS="$PWD/$place/bin"
  else
    echo "independent.sh: case-utils and bagit could not be installed: their tests will skip" >&2
  fi
fi
exec "$PYTHON" -m pytest tests/independent -m independent -rs "$@"
