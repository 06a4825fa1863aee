#!/bin/bash
# Runs localkube from this checkout, building what is missing first.
set -euo pipefail
folder=$("$(dirname "$0")/setup.sh")
exec "$folder/bin/localkube" "$@"
