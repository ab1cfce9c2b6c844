#!/usr/bin/env bash
# Run every recipe at SCALE=smoke, one after the other, and print how long each took: examples/smoke/all.sh
# Pretraining runs first; the other recipes start from its checkpoint. RUNS is the directory of the runs (default: runs/smoke).
set -euo pipefail
cd "$(dirname "$0")/../.."
export SCALE=smoke
times=()

# timed NAME COMMAND...: run the command and record its time.
timed() {
  local before=$SECONDS
  printf '\n=== %s\n' "$1"
  "${@:2}"
  times+=("$(printf '%4d s  %s' $((SECONDS - before)) "$1")")
}
# two_machines: run both "machines" on this one.
two_machines() {
  local recipe=examples/pretraining/several_machines.sh
  local -x MACHINES=2 GPUS=1 RENDEZVOUS=localhost:$((20000 + $$ % 20000))
  MACHINE=1 $recipe --name two-machines &
  MACHINE=0 $recipe --name two-machines
  wait $!
}

timed examples/pretraining/single_gpu.sh examples/pretraining/single_gpu.sh
timed examples/pretraining/multi_gpu.sh examples/pretraining/multi_gpu.sh --name two-gpus
timed examples/pretraining/several_machines.sh two_machines
timed examples/pretraining/continued_mlm.sh examples/pretraining/continued_mlm.sh
timed examples/pretraining/slurm.sbatch bash examples/pretraining/slurm.sbatch --dry-run
for recipe in examples/finetuning/*.sh examples/crosslingual/*.sh examples/baselines/*.sh examples/merging/*.sh; do
  timed "$recipe" "$recipe"
done
timed examples/classification/finetune.sh examples/classification/finetune.sh wcm
# Three of the 30 ablations: one without pretraining, one with a different model, and one with less data.
timed examples/ablations/run.sh examples/ablations/run.sh no-mt-dae-ws base-b x1-10k
timed "swcm paper-report" swcm paper-report --runs "${RUNS:-runs/smoke}"
printf '\nAll recipes finished.\n'
printf '  %s\n' "${times[@]}"
