#!/usr/bin/env bash
# Summaries in a language without any training summaries: merge a model that has learned the task in Chinese with one that
# has read more of the language (Tao et al. 2024, "Unlocking the Potential of Model Merging for Low-Resource Languages",
# the roadmap of its section 3.2; two languages at once, section 7.1).
#
#   examples/merging/summarization.sh [--start CHECKPOINT] [--dry-run] [-- OPTION...]
#
#   --start CHECKPOINT  BASE, from pretraining (default: RUNS/pretraining/xlm-swcm/checkpoint_last.pt)
#   LANGUAGES="X Y"     languages to merge (default: bo ug); two languages are also merged at once
#   DENSITIES="K .."    grid for TIES, for both models (default: 0.01 0.2 0.4 0.6 0.8 1.0, the paper's Appendix B)
#   WEIGHTS="W .."      grid for the weighted average: weight of the task model (default: 0.2 0.4 0.6 0.8)
#   LAMBDAS="L .."      grid for task arithmetic: what the sum of both task vectors is multiplied by (default: 0.4 0.6 0.8 1.0)
#   PRETRAINING_DATA=DIR, TASK_DATA=DIR    finished data directories, instead of those of the manifests pretraining and
#                       crosslingual_summarization: text in X and Chinese; the Chinese task, and validation and test pairs in X
#   TASK_CORPUS=NAME    corpus of the Chinese task (default: summarization_zh)
#   LENGTH=N            positions of a text (default: 256)
#   GENERATE="OPTION .."    further options for fairseq-generate
#
# For each language X: CT-X is BASE trained further on text in X, with a quarter of Chinese so that it is not forgotten;
# TASK is BASE fine-tuned only on Chinese summaries (LCSTS); CTSFT-X is CT-X fine-tuned in the same way. WAVG-X, TA-X
# (task arithmetic) and TIES-X are TASK merged with CT-X, with weights, lambda and densities chosen on the validation set in
# X; TIESSV-X has the densities of TIES-X (section 6.2). All are tested on X; no model has seen a summary in X.
# Unlike in the paper, the models are those of this project, and Chinese takes the place of English.
# Runs: RUNS/merging/summarization/SYSTEM-X; the table: swcm paper-report.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
ACCEPTED='--start --dry-run --help --'
parse "$@"
own_data_refused
CT_EPOCHS=1
case $SCALE in
  full)
    LANGUAGES=${LANGUAGES:-bo ug} DENSITIES=${DENSITIES:-0.01 0.2 0.4 0.6 0.8 1.0} WEIGHTS=${WEIGHTS:-0.2 0.4 0.6 0.8}
    LAMBDAS=${LAMBDAS:-0.4 0.6 0.8 1.0} TASK_CORPUS=${TASK_CORPUS:-summarization_zh}
    ;;
  smoke)
    LANGUAGES=${LANGUAGES:-bo ug} DENSITIES=${DENSITIES:-0.2} WEIGHTS=${WEIGHTS:-0.4 0.6} LAMBDAS=${LAMBDAS:-1.0}
    TASK_CORPUS=${TASK_CORPUS:-title_zh}
    ;;
esac
TOKENS=${LENGTH:-$TOKENS}
read -ra LANGUAGES <<<"$LANGUAGES"
read -ra GENERATE <<<"${GENERATE:-}"
GENERATION+=("${GENERATE[@]}")
ROOT=$RUNS/merging/summarization BEST=''
: "${START:=$RUNS/pretraining/xlm-swcm/checkpoint_last.pt}"
need_file "$START" "make it: $(again examples/pretraining/single_gpu.sh), or name another with --start"

# use_data NAME DIR: the data directory of a manifest, or DIR if that is given.
use_data() {
  MANIFEST='' DATA=$2
  choose_data "$1"
  read_data
}
# read_on LANG: CT-X.
read_on() {
  RUN=$ROOT/ct-$1
  use_data pretraining "${PRETRAINING_DATA:-}"
  finished train && return
  step train "CT-$1: more text in $1, and a quarter of Chinese"
  pretrain_on "$CT_EPOCHS" --finetune-from-model "$START" --corpora "dae_$1,dae_zh" --language-share zh=0.25
  mark train
}
# learn_task RUN CHECKPOINT: fine-tune only on Chinese summaries, from a checkpoint.
learn_task() {
  RUN=$ROOT/$1
  use_data crosslingual_summarization "${TASK_DATA:-}"
  finished train && return
  step train "$1: Chinese summaries"
  finetune_on --finetune-from-model "$2" --corpora "$TASK_CORPUS"
  mark train
}
# merged OUTPUT OPTION...: merge TASK with the other models, which come first in the options.
merged() {
  [ -e "$1" ] || show swcm merge "$ROOT/task/checkpoint_best.pt" "${@:2}" --output "$1"
}
# options METHOD SETTING: set OPTIONS to those of swcm merge.
options() {
  OPTIONS=(--method "$1")
  case $1 in
    average) OPTIONS+=(--weights "$2") ;;
    task-arithmetic) OPTIONS+=(--base "$START" --lambda "$2") ;;
    ties | ties-sv) OPTIONS+=(--base "$START" --densities "$2") ;;
  esac
}
# grid METHOD: its settings, one per line.
grid() {
  local task language # weight, lambda or density of TASK; density of CT-X
  case $1 in
    average) for task in $WEIGHTS; do awk "BEGIN { print \"$task,\" 1 - $task }"; done ;;
    task-arithmetic) for task in $LAMBDAS; do echo "$task"; done ;;
    ties) for task in $DENSITIES; do for language in $DENSITIES; do echo "$task,$language"; done; done ;;
  esac
}
# choose METHOD LANG: score each setting of the grid on the validation split, without keeping its checkpoint, and set BEST to
# the best; if there is only one, there is nothing to choose.
choose() {
  local setting settings command=(swcm best-setting "$ROOT/grid/$1-$2" --scores "$2")
  mapfile -t settings < <(grid "$1")
  BEST=${settings[0]}
  ((${#settings[@]} > 1)) || return 0
  for setting in "${settings[@]}"; do
    RUN=$ROOT/grid/$1-$2/$setting
    finished "score-$2" && continue
    options "$1" "$setting"
    merged "$RUN/merged.pt" "$ROOT/ct-$2/checkpoint_last.pt" "${OPTIONS[@]}"
    score valid "$2-$2" "$RUN/merged.pt"
    show rm "$RUN/merged.pt"
  done
  BEST="<best of $ROOT/grid/$1-$2>"
  announce "${command[@]}" || return 0
  BEST=$("${command[@]}")
  echo "$1, $2: $BEST is best on the validation split"
}
# for_setting SETTING: if RUN was for another setting, chosen from another grid, remove what is there.
for_setting() {
  ((!DRY_RUN)) || return 0
  [ "$(cat "$RUN/setting" 2>/dev/null)" = "$1" ] && return
  rm -rf "$RUN" && mkdir -p "$RUN" && echo "$1" >"$RUN/setting"
}
# merge_one METHOD LANG: TASK and CT-X, with the setting BEST, on the test split.
merge_one() {
  RUN=$ROOT/$1-$2
  for_setting "$BEST"
  options "$1" "$BEST"
  [ "$1" = average ] || OPTIONS+=(--shares "$RUN/shares.json")
  merged "$RUN/merged.pt" "$ROOT/ct-$2/checkpoint_last.pt" "${OPTIONS[@]}"
  score test "$2-$2" "$RUN/merged.pt"
}
# merge_all: merge TASK and CT-X of all languages at once, with the densities that were best for each; that of TASK is the best
# for the first language (section 7.1).
merge_all() {
  local x models=() densities=${DENSITY_OF[${LANGUAGES[0]}]%,*}
  for x in "${LANGUAGES[@]}"; do
    models+=("$ROOT/ct-$x/checkpoint_last.pt")
    densities+=,${DENSITY_OF[$x]#*,}
  done
  RUN=$ROOT/ties-all
  for_setting "${LANGUAGES[*]} $densities"
  merged "$RUN/merged.pt" "${models[@]}" --method ties --base "$START" --densities "$densities" --shares "$RUN/shares.json"
  for x in "${LANGUAGES[@]}"; do
    RUN=$ROOT/ties-all-$x
    for_setting "${LANGUAGES[*]} $densities"
    score test "$x-$x" "$ROOT/ties-all/merged.pt"
  done
}

declare -A DENSITY_OF=()
need_encoder # for its vocabulary
RUN=$ROOT/task
use_data crosslingual_summarization "${TASK_DATA:-}"
((DRY_RUN)) || swcm check-start --langs "${LANGUAGES[@]}" --pairs "$DATA"
learn_task task "$START"
for x in "${LANGUAGES[@]}"; do
  read_on "$x"
  learn_task "ctsft-$x" "$ROOT/ct-$x/checkpoint_last.pt"
  RUN=$ROOT/base-$x && score test "$x-$x" "$START"
  RUN=$ROOT/ct-$x && score test "$x-$x" "$RUN/checkpoint_last.pt"
  RUN=$ROOT/task-$x && score test "$x-$x" "$ROOT/task/checkpoint_best.pt"
  RUN=$ROOT/ctsft-$x && score test "$x-$x" "$RUN/checkpoint_best.pt"
  for method in average task-arithmetic ties; do
    choose "$method" "$x"
    merge_one "$method" "$x"
  done
  DENSITY_OF[$x]=$BEST
  merge_one ties-sv "$x"
done
((${#LANGUAGES[@]} < 2)) || merge_all
RUN=$ROOT
finish "$(command_line swcm paper-report --runs "$RUNS")"
