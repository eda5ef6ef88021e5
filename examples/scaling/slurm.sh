#!/usr/bin/env bash
# A cohort on Slurm: an array of shards, then their merge.
#
#   COHORT=manifest.csv OUT=/scratch/me/cohort SETTINGS=settings.toml sbatch --array=1-8 slurm.sh
#
# A shard that was killed or ran out of time goes on where it stopped when the same array task is
# submitted again: sbatch --array=3,5 slurm.sh
#SBATCH --job-name=abscope
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=08:00:00
#SBATCH --requeue
set -euo pipefail

: "${COHORT:?the manifest}" "${OUT:?the output folder}" "${SETTINGS:?the settings}"
# Counts from 1 to the size of the array; to submit single tasks again, SHARDS keeps the whole's.
shards=${SHARDS:-$SLURM_ARRAY_TASK_COUNT}

# Leave a quarter of the job's memory to the program itself and to the system's caches.
memory=$((${SLURM_MEM_PER_NODE:-16384} * 3 / 4))M

status=0
abscope batch "$COHORT" -o "$OUT/shard-$SLURM_ARRAY_TASK_ID" --settings "$SETTINGS" \
    --shard "$SLURM_ARRAY_TASK_ID/$shards" --threads "${SLURM_CPUS_PER_TASK:-1}" \
    --memory "$memory" --log-format json || status=$?

# 1 says that cases failed, which failures.csv names; the shard itself is whole.
if [ "$status" -gt 1 ]; then exit "$status"; fi
