#!/usr/bin/env bash
# The paper's ablations: objectives (Su et al. 2025, Table 3), the decoder's start (Table 4), inserted layers (Table 5),
# X by data size (Figure 4). Each system of grid.tsv is pretrained, fine-tuned and scored.
#
#   examples/ablations/run.sh [--part I/N] [--list] [--dry-run] [SYSTEM...]
#
#   SYSTEM...           only these (default: all)
#   --part I/N          the I-th of N parts, e.g. 2/4; each pretraining is in only one part
#   --list              print the systems with their options and run none
#   --dry-run           print the commands and run none of them; needs no data
#   --help              this text
#
# Every pretraining has the same number of updates, whatever its objectives (1,340,235 samples per epoch, as in the other
# recipes).
# Runs are kept like those of the other recipes: RUNS/pretraining/PRETRAINING, RUNS/finetuning/TASK/SYSTEM. Finished
# steps are skipped, so the same command continues after an interruption. Machines that share RUNS may work on any parts,
# even the same ones: a run that another process is working on is skipped with one line, and the same command runs it later.
# Environment: as for examples/pretraining/single_gpu.sh (--help). SCALE=smoke skips X = 5 and 6: its encoder has
# four layers.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
GRID=examples/ablations/grid.tsv
ACCEPTED='--part --list --dry-run --help WORDS'
parse "$@"
for system in "${WORDS[@]}"; do
  cut -f 1 "$GRID" | grep -qxF -- "$system" || fail "$system: no such system; $RECIPE --list names them" 2
done

# wanted: was the row requested?
wanted() {
  [ ${#WORDS[@]} = 0 ] || [[ " ${WORDS[*]} " == *" $system "* ]]
}
# in_part: is the row in this part? Rows with the same pretraining always are together.
declare -A GROUPS_SEEN=()
in_part() {
  local group=$pretraining
  [ "$group" != - ] || group=$system
  : "${GROUPS_SEEN[$group]:=${#GROUPS_SEEN[@]}}"
  ((GROUPS_SEEN[$group] % PARTS == PART - 1))
}
# sized OPTIONS: at SCALE=smoke, a thousandth of the samples.
sized() {
  if [ "$SCALE" = smoke ]; then
    sed -E 's/(--train-samples [0-9]+)000$/\1/' <<<"$1"
  else
    echo "$1"
  fi
}
# exclusively RUN COMMAND...: unless another process works on that run, here or on a machine with the same RUNS.
exclusively() {
  local lock=$RUNS/locks/${1//\//-} status=0
  if ((DRY_RUN)); then
    "${@:2}" --dry-run "${OPTIONS[@]}"
    return
  fi
  locked "$lock" '' "${@:2}" "${OPTIONS[@]}" || status=$?
  ((status != BUSY)) || echo "[$1] another process is working on it (it holds $lock); skipped, run the same command again later"
  return "$status"
}
# run_system: pretraining and fine-tuning of the row, unless they are done.
run_system() {
  local start=$ENCODER task before both after data=()
  read -ra before <<<"$pretraining_options"
  read -ra both <<<"$common_options"
  read -ra after <<<"$(sized "$finetuning_options")"
  if [ "$pretraining" != - ]; then
    start=$RUNS/pretraining/$pretraining/checkpoint_last.pt
    OPTIONS=(-- "${before[@]}" "${both[@]}")
    exclusively "pretraining/$pretraining" examples/pretraining/single_gpu.sh --name "$pretraining" || return
  fi
  [ "$corpora" = - ] || data=(env "MANIFEST=$MANIFESTS/$corpora.yaml")
  for task in ${tasks//,/ }; do
    OPTIONS=(-- "${both[@]}" "${after[@]}")
    exclusively "finetuning/$task/$system" "${data[@]}" "examples/finetuning/$task.sh" --name "$system" --start "$start" || return
  done
}

own_data_refused
trap 'exit 130' INT # otherwise the next system would begin
number=0 busy=() failed=()
while IFS=$'\t' read -r -u 3 system place pretraining pretraining_options common_options finetuning_options tasks \
  corpora; do
  [[ $system != \#* ]] || continue
  if ! in_part || ! wanted; then continue; fi
  for column in pretraining_options common_options finetuning_options; do
    [ "${!column}" != - ] || printf -v "$column" ''
  done
  if ((LIST)); then
    printf '%-17s %-9s %s\n' "$system" "$place" "$common_options $pretraining_options $finetuning_options"
    continue
  fi
  if [ "$SCALE" = smoke ] && [[ $common_options == *interval\ [56] ]]; then
    echo "# $system: skipped at SCALE=smoke, whose encoder has four layers"
    continue
  fi
  printf '\n=== %s (%s)\n' "$system" "$place"
  number=$((number + 1)) status=0
  run_system || status=$?
  case $status in
    0) ;;
    "$BUSY") busy+=("$system") ;;
    *) failed+=("$system") ;;
  esac
done 3<"$GRID"

((LIST || DRY_RUN)) && exit
printf '\n%d systems, %d of them left to other processes, %d failed. Next:\n  swcm paper-report --runs %q\n' \
  "$number" "${#busy[@]}" "${#failed[@]}" "$RUNS"
[ ${#failed[@]} = 0 ] || fail "failed: ${failed[*]}; the reasons are printed above; the same command continues"
