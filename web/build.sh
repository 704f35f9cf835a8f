#!/bin/sh
# Bundles the page with Debian's esbuild, React and chart.js: web/build.sh FOLDER gets index.html, page.js, page.css, icon.svg.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
NODE_PATH=/usr/share/nodejs ${ESBUILD:-esbuild} "$here/src/main.tsx" "$here/src/page.css" --bundle --minify --charset=utf8 --legal-comments=none \
  --outdir="$1" --entry-names=page --jsx=automatic '--define:process.env.NODE_ENV="production"' --target=es2020,chrome100,firefox100,safari15 --log-level=warning
cp "$here/src/index.html" "$here/src/icon.svg" "$1/"
