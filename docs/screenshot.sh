#!/usr/bin/env bash
# Makes docs/images/report.png, the README's picture: the report of its first command in Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo run --release -- report fixtures/ibsi/ct_radiomics_phantom/image.nii.gz \
    fixtures/ct_phantom_parts.nii.gz --model models/demo-simulated-infiltration.toml -o "$work/report"
mkdir -p docs/images
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1240,1040 \
    --user-data-dir="$work/profile" --screenshot="$PWD/docs/images/report.png" \
    "file://$work/report/report.html"
