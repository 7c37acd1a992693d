#!/usr/bin/env bash
# The pages of the service in Debian's chromium: tests/browser/run.sh RUNNER [FOLDER FOR SCREENSHOTS]
set -euo pipefail
runner=$(realpath "$1")
shots=${2:+$(realpath -m "$2")}
cd "$(dirname "$0")"
for one in node npm python3; do
    command -v "$one" > /dev/null || { echo "browser-test: $one is missing: apt-get install nodejs npm python3" >&2; exit 1; }
done
[ -n "${CHROMIUM:-}" ] || command -v chromium > /dev/null || { echo "browser-test: chromium is missing: apt-get install chromium" >&2; exit 1; }
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --ignore-scripts --no-audit --no-fund --fetch-retries 5
fi
exec node run.mjs "$runner" $shots
