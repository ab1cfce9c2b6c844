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
FORM=(--scale "$SCALE" --runs "$RUNS" --encoder "$ENCODER" --manifests "$MANIFESTS")
((!DRY_RUN)) || FORM+=(--dry-run)
((!LIST_ONLY)) || FORM=(--describe)
rows=$(swcm ablation-grid --part "$PART" "${FORM[@]}" "${WORDS[@]}") || exit 2
((!LIST_ONLY)) || { echo "$rows" && exit; }

trap 'exit 130' INT # otherwise the next system would begin
number=0 busy=() failed=()
while IFS=$'\t' read -r -u 3 system place commands; do
  [ -n "$place" ] || { echo "$system" && continue; } # left out, and why
  printf '\n=== %s (%s)\n' "$system" "$place"
  number=$((number + 1)) status=0
  eval "$commands" || status=$?
  ((status != 75)) || busy+=("$system") # another process is working on the run, here or on a machine with the same RUNS
  ((status == 0 || status == 75)) || failed+=("$system")
done 3<<<"$rows"

((!DRY_RUN)) || exit 0
printf '\n%d systems, %d of them left to other processes, %d failed. Next:\n  swcm paper-report --runs %q\n' \
  "$number" "${#busy[@]}" "${#failed[@]}" "$RUNS"
[ ${#failed[@]} = 0 ] || fail "failed: ${failed[*]}; the reasons are printed above; the same command continues"
