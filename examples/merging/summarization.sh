#!/usr/bin/env bash
# Summaries in a language without any training summaries: merge a model that has learned the task in Chinese with a model that
# was trained on more text in the language (Tao et al. 2024, "Unlocking the Potential of Model Merging for Low-Resource
# Languages", the roadmap in section 3.2; two languages at once, section 7.1).
#
#   examples/merging/summarization.sh [--start CHECKPOINT] [--dry-run] [-- OPTION...]
#
#   --start CHECKPOINT  BASE, from pretraining (default: RUNS/pretraining/xlm-swcm/checkpoint_last.pt)
#   LANGUAGES="X Y"     languages to merge (default: bo ug); two languages are also merged together
#   DENSITIES="K .."    grid for TIES, for both models (default: 0.01 0.2 0.4 0.6 0.8 1.0, as in the paper's Appendix B)
#   WEIGHTS="W .."      grid for the weighted average: weight of the task model (default: 0.2 0.4 0.6 0.8)
#   LAMBDAS="L .."      grid for task arithmetic: factor for the sum of both task vectors (default: 0.4 0.6 0.8 1.0)
#   PRETRAINING_DATA=DIR, TASK_DATA=DIR    data directories to use instead of those of the manifests pretraining (text in X
#                       and Chinese) and crosslingual_summarization (the Chinese task, and validation and test pairs in X)
#   TASK_CORPUS=NAME    corpus of the Chinese task (default: summarization_zh)
#   LENGTH=N            maximum length of a text (default: 256)
#   GENERATE="OPTION .."    additional options for fairseq-generate
#
# For each language X: CT-X is BASE trained further on text in X, with 25% Chinese so that it is not forgotten;
# TASK is BASE fine-tuned only on Chinese summaries (LCSTS); CTSFT-X is CT-X fine-tuned in the same way. WAVG-X, TA-X
# (task arithmetic) and TIES-X are TASK merged with CT-X, with weights, lambda and densities chosen on the validation set in
# X; TIESSV-X uses the densities of TIES-X (section 6.2). All are tested on X; no model has seen a summary in X.
# Unlike in the paper, the models are those of this project, and Chinese replaces English.
# Runs: RUNS/merging/summarization/SYSTEM-X; the table: swcm paper-report.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
own_data_refused
[ "$SCALE" = full ] || DENSITIES=${DENSITIES:-0.2} WEIGHTS=${WEIGHTS:-0.4 0.6} LAMBDAS=${LAMBDAS:-1.0} TASK_CORPUS=${TASK_CORPUS:-title_zh}
DENSITIES=${DENSITIES:-0.01 0.2 0.4 0.6 0.8 1.0} WEIGHTS=${WEIGHTS:-0.2 0.4 0.6 0.8} LAMBDAS=${LAMBDAS:-0.4 0.6 0.8 1.0}
TASK_CORPUS=${TASK_CORPUS:-summarization_zh} TOKENS=${LENGTH:-$TOKENS} CT_EPOCHS=1
read -ra LANGUAGES <<<"${LANGUAGES:-bo ug}"
read -ra GENERATE <<<"${GENERATE:-}"
GENERATION+=("${GENERATE[@]}")
ROOT=$RUNS/merging/summarization TASK=$RUNS/merging/summarization/task/checkpoint_best.pt
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
  pretrain_on "CT-$1: more text in $1, and a quarter of Chinese" "$CT_EPOCHS" --finetune-from-model "$START" \
    --corpora "dae_$1,dae_zh" --language-share zh=0.25
}
# learn_task RUN CHECKPOINT: fine-tune only on Chinese summaries, from a checkpoint.
learn_task() {
  RUN=$ROOT/$1
  use_data crosslingual_summarization "${TASK_DATA:-}"
  finetune_on "$1: Chinese summaries" --finetune-from-model "$2" --corpora "$TASK_CORPUS"
}
# tested SYSTEM LANG CHECKPOINT [FILE...]: score a model on the test split.
tested() {
  RUN=$ROOT/$1-$2
  score test "$2-$2" "${@:3}"
}
# merging METHOD SETTING: set OPTIONS to those of swcm merge.
merging() {
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
# merge_setting: a model of the grid, whose checkpoint is kept only until it has been scored.
merge_setting() {
  show swcm merge "$TASK" "$ct" "${OPTIONS[@]}" --output "$RUN/merged.pt"
}
# choose METHOD LANG: score each setting of the grid on the validation split, and set BEST to the best; if there is only one, there
# is nothing to choose.
choose() {
  local setting settings ct=$ROOT/ct-$2/checkpoint_last.pt command=(swcm best-setting "$ROOT/grid/$1-$2" --scores "$2")
  mapfile -t settings < <(grid "$1")
  BEST=${settings[0]}
  ((${#settings[@]} > 1)) || return 0
  for setting in "${settings[@]}"; do
    RUN=$ROOT/grid/$1-$2/$setting
    merging "$1" "$setting"
    PREPARE=merge_setting score valid "$2-$2" "$RUN/merged.pt" "$TASK" "$ct"
    ((!DRY_RUN)) && [ ! -e "$RUN/merged.pt" ] || show rm "$RUN/merged.pt"
  done
  BEST="<best of $ROOT/grid/$1-$2>"
  show "${command[@]}"
  ((DRY_RUN)) || BEST=$("${command[@]}")
}
# merge_one METHOD LANG: TASK and CT-X, with the setting BEST, on the test split.
merge_one() {
  local ct=$ROOT/ct-$2/checkpoint_last.pt
  RUN=$ROOT/$1-$2
  merging "$1" "$BEST"
  [ "$1" = average ] || OPTIONS+=(--shares "$RUN/shares.json")
  step --reads "$TASK" --reads "$ct" --writes "$RUN/merged.pt" merge "$1, $2, with $BEST, which is best on the validation split" \
    swcm merge "$TASK" "$ct" "${OPTIONS[@]}" --output "$RUN/merged.pt"
  tested "$1" "$2" "$RUN/merged.pt"
}
# merge_all: merge TASK and CT-X of all languages at once, with the densities that were best for each; that of TASK is the best
# for the first language (section 7.1).
merge_all() {
  local x models=() reads=(--reads "$TASK") densities=${DENSITY_OF[${LANGUAGES[0]}]%,*}
  for x in "${LANGUAGES[@]}"; do
    models+=("$ROOT/ct-$x/checkpoint_last.pt") reads+=(--reads "$ROOT/ct-$x/checkpoint_last.pt")
    densities+=,${DENSITY_OF[$x]#*,}
  done
  RUN=$ROOT/ties-all
  step "${reads[@]}" --writes "$RUN/merged.pt" merge "the models of all languages" swcm merge "$TASK" "${models[@]}" \
    --method ties --base "$START" --densities "$densities" --shares "$RUN/shares.json" --output "$RUN/merged.pt"
  for x in "${LANGUAGES[@]}"; do tested ties-all "$x" "$ROOT/ties-all/merged.pt"; done
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
  tested base "$x" "$START"
  tested ct "$x" "$ROOT/ct-$x/checkpoint_last.pt"
  tested task "$x" "$TASK"
  tested ctsft "$x" "$ROOT/ctsft-$x/checkpoint_best.pt"
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
