#!/bin/sh
# The page's logic without a browser.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
${ESBUILD:-esbuild} "$here/test/units.ts" --bundle --platform=node --loader:.css=text --outfile="$out/units.js" --log-level=warning
node "$out/units.js"
