#!/bin/bash
# A run on Slurm: a job array of which every task computes its share of the problems, then a job that brings the shares
# together (rlprobe merge), which is what one machine would have written, byte for byte. No Ray, no shared lock: each
# task writes a run of its own. A task that was cut goes on where it stopped: submit the same again; the last job names
# the problems that no share holds.
#
#     experiments/slurm.sh 8 runs/whole intervene --pair qwen-coder-0.5b --dataset math-500 --mode entropy:0.6 \
#       --shard-size 63
#
# 8 tasks, and shards small enough that each has one; everything behind the folder is a command of rlprobe without --out
# and --shard. What Slurm is to know of the cluster (account, partition, time) is read from SBATCH_OPTIONS, one GPU a
# task where nothing else is said:
#
#     SBATCH_OPTIONS="--partition gpu --gpus-per-task 1 --time 12:00:00" experiments/slurm.sh 8 ...
set -euo pipefail
(($# >= 3)) || { sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 2; }
tasks=$1 whole=$2
shift 2
read -ra options <<<"${SBATCH_OPTIONS:---gpus-per-task 1}"
quoted=$(printf '%q ' "$@")
share=$(printf '%q' "$whole")'-parts/$SLURM_ARRAY_TASK_ID'
array=$(sbatch --parsable --array "1-$tasks" --ntasks 1 "${options[@]}" --job-name rlprobe \
  --wrap "rlprobe $quoted --shard \$SLURM_ARRAY_TASK_ID/$tasks --out $share")
parts=$(for task in $(seq "$tasks"); do printf '%q ' "$whole-parts/$task"; done)
sbatch --parsable --dependency "afterany:${array%%;*}" --ntasks 1 --job-name rlprobe-merge \
  --wrap "rlprobe merge $(printf '%q' "$whole") $parts"
