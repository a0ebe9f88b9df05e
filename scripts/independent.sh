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
exec "$PYTHON" -m pytest tests/independent -m independent -rs "$@"
