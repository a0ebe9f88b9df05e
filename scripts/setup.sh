#!/usr/bin/env bash
# Make the virtual environment, install what is pinned, fetch the model files. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."
venv="${VENV:-.venv}"
python="${PYTHON:-python3}"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "bwc needs Python 3.11 or newer; $python is $("$python" --version 2>&1 || echo missing)." >&2
    echo "On Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2
    exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv" || { echo "No venv module. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
fi
echo "setting up: Python packages (a few minutes the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[dev]'
echo "setting up: model files"
"$venv/bin/bwc" models fetch
"$venv/bin/bwc" models fetch --speech || echo "no speech model: words are not written down (bwc models fetch --speech tries again)" >&2
