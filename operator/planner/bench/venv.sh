#!/usr/bin/env bash
# Prints the Python of a virtual environment that has Rebalancer and HiGHS; makes it where it is
# missing. Rebalancer needs Python 3.12 or newer.
set -euo pipefail
folder=${KINTSUGI_CACHE:-$HOME/.cache/kintsugi}/planner-venv
python=$folder/bin/python
if ! "$python" -c 'import rebalancer, highspy' 2>/dev/null; then
  for candidate in python3.14 python3.13 python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3; do
    command -v "$candidate" >/dev/null || continue
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || continue
    rm -rf "$folder"
    "$candidate" -m venv "$folder" && break
  done
  [ -x "$python" ] || { echo 'Rebalancer needs Python 3.12 or newer with venv: apt-get install python3.12-venv, or pyenv install 3.12' >&2; exit 1; }
  "$folder/bin/pip" install --quiet rebalancer==1.0.4 highspy==1.15.1 >&2
fi
echo "$python"
