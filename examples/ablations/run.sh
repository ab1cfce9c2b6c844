#!/usr/bin/env bash
# The paper's ablations: objectives (Su et al. 2025, Table 3), initialization of the decoder (Table 4), inserted layers
# (Table 5), X by data size (Figure 4). Each system in grid.tsv is pretrained, fine-tuned and scored.
#
#   examples/ablations/run.sh [--part I/N] [--list] [--dry-run] [SYSTEM...]
#
#   SYSTEM...           run only these systems (default: all)
#   --part I/N          the I-th of N parts, e.g. 2/4; each pretraining is in only one part
#   --list              only print the systems with their options
#   --dry-run           only print the commands; needs no data
#   --help              print this text
#
# Every pretraining has the same number of updates, whatever its objectives (1,340,235 samples per epoch, as in the other
# recipes).
# Runs are stored like those of the other recipes: RUNS/pretraining/PRETRAINING, RUNS/finetuning/TASK/SYSTEM. Finished
# steps are skipped, so the same command continues after an interruption. Machines that share RUNS can work on any parts,
# even the same ones: a run that another process is working on is skipped with a message, and the same command runs it later.
# The environment variables are those of examples/pretraining/single_gpu.sh (--help). SCALE=smoke skips X = 5 and 6, because
# its encoder has four layers.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
own_data_refused
FORM=()
((!LIST_ONLY)) || FORM=(--describe)
rows=$(swcm ablation-grid --part "$PART" "${FORM[@]}" "${WORDS[@]}") || exit 2
((!LIST_ONLY)) || { echo "$rows" && exit; }
DRY=()
((!DRY_RUN)) || DRY=(--dry-run)

# run_system: pretraining and fine-tuning of the row, unless they are done.
run_system() {
  local start=$ENCODER task before both after
  [ "$SCALE" = full ] || finetuning_options=${finetuning_options/%000/} # a thousandth of the samples
  read -ra before <<<"$pretraining_options"
  read -ra both <<<"$common_options"
  read -ra after <<<"$finetuning_options"
  if [ -n "$pretraining" ]; then
    start=$RUNS/pretraining/$pretraining/checkpoint_last.pt
    examples/pretraining/single_gpu.sh --name "$pretraining" "${DRY[@]}" -- "${before[@]}" "${both[@]}" || return
  fi
  for task in ${tasks//,/ }; do
    ${corpora:+env MANIFEST="$MANIFESTS/$corpora.yaml"} "examples/finetuning/$task.sh" --name "$system" --start "$start" \
      "${DRY[@]}" -- "${both[@]}" "${after[@]}" || return
  done
}

trap 'exit 130' INT # otherwise the next system would begin
number=0 busy=() failed=()
while IFS='|' read -r -u 3 system place pretraining pretraining_options common_options finetuning_options tasks corpora; do
  if [ "$SCALE" = smoke ] && [[ $common_options == *interval\ [56] ]]; then
    echo "# $system: skipped at SCALE=smoke, whose encoder has four layers"
    continue
  fi
  printf '\n=== %s (%s)\n' "$system" "$place"
  number=$((number + 1)) status=0
  run_system || status=$?
  case $status in
    0) ;;
    75) busy+=("$system") ;; # another process is working on the run, here or on a machine with the same RUNS
    *) failed+=("$system") ;;
  esac
done 3<<<"$rows"

((!DRY_RUN)) || exit 0
printf '\n%d systems, %d of them left to other processes, %d failed. Next:\n  swcm paper-report --runs %q\n' \
  "$number" "${#busy[@]}" "${#failed[@]}" "$RUNS"
[ ${#failed[@]} = 0 ] || fail "failed: ${failed[*]}; the reasons are printed above; the same command continues"
