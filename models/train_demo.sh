#!/bin/sh
# Trains the demonstration signature again: models/demo-simulated-infiltration.toml, byte for byte.
# Takes a few minutes. With an argument the model is written there instead. ABSCOPE and SIMULATE_COHORT
# name programs that are there already and need no building: the model is the same.
set -eu
cd "$(dirname "$0")/.."
output=${1:-models/demo-simulated-infiltration.toml}
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
if [ -z "${ABSCOPE:-}" ] || [ -z "${SIMULATE_COHORT:-}" ]; then
    cargo build --release --bin abscope --example simulate_cohort
    built=${CARGO_TARGET_DIR:-target}/release
    ABSCOPE=$built/abscope
    SIMULATE_COHORT=$built/examples/simulate_cohort
fi
"$SIMULATE_COHORT" "$folder"
cp examples/simulate_cohort.toml "$folder/train.toml"
"$ABSCOPE" train "$folder/features.csv" "$folder/outcomes.csv" \
    --config "$folder/train.toml" --output "$output"
