#!/bin/sh
# Trains the demonstration signature again: models/demo-simulated-infiltration.toml, byte for byte.
# Takes a few minutes. With an argument the model is written there instead. PROFILE names another cargo
# profile than release: the model is the same.
set -eu
cd "$(dirname "$0")/.."
output=${1:-models/demo-simulated-infiltration.toml}
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
profile=${PROFILE:-release}
cargo run --profile "$profile" --example simulate_cohort -- "$folder"
cp examples/simulate_cohort.toml "$folder/train.toml"
cargo run --profile "$profile" -- train "$folder/features.csv" "$folder/outcomes.csv" \
    --config "$folder/train.toml" --output "$output"
