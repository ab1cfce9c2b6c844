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
declare -A GRID=([average]=${WEIGHTS:-0.2 0.4 0.6 0.8} [task-arithmetic]=${LAMBDAS:-0.4 0.6 0.8 1.0} [ties]=${DENSITIES:-0.01 0.2 0.4 0.6 0.8 1.0})
read -ra LANGUAGES <<<"${LANGUAGES:-bo ug}"
read -ra GENERATION <<<"${GENERATION[*]} ${GENERATE:-}"
TASK_CORPUS=${TASK_CORPUS:-summarization_zh} TOKENS=${LENGTH:-$TOKENS} ROOT=$RUNS/merging/summarization BEST=()
RUN=$ROOT TASK=$ROOT/task/checkpoint_best.pt
: "${START:=$RUNS/pretraining/xlm-swcm/checkpoint_last.pt}"
need_file "$START" "make it: $(again examples/pretraining/single_gpu.sh), or name another with --start"

# use_data NAME DIR: the data directory of a manifest, or DIR if that is given.
use_data() {
  MANIFEST='' DATA=$2
  choose_data "$1"
  read_data
}
# learn_task NAME CHECKPOINT: fine-tune only on Chinese summaries, from a checkpoint.
learn_task() {
  use_data crosslingual_summarization "${TASK_DATA:-}"
  RUN=$ROOT/$1 finetune_on "$1: Chinese summaries" --finetune-from-model "$2" --corpora "$TASK_CORPUS"
}
merge_setting() { show swcm merge "$TASK" "$CT" --method "$method" "${OPTIONS[@]}" --output "$RUN/merged.pt"; }
# choose LANG: set OPTIONS to the setting of $method that scores best on the validation split; a single one is not scored.
choose() {
  local settings line RUN grid=$ROOT/grid/$method-$1
  settings=$(swcm merge-settings "$method" "${GRID[$method]}" --base "$START")
  while read -r -u 3 line; do
    eval "OPTIONS=($line)"
    [ "$line" != "$settings" ] || return 0
    RUN=$grid/${OPTIONS[-1]}
    PREPARE=merge_setting score valid "$1-$1" "$RUN/merged.pt" "$TASK" "$CT"
    ((!DRY_RUN)) && [ ! -e "$RUN/merged.pt" ] || show rm "$RUN/merged.pt"
  done 3<<<"$settings"
  show swcm best-setting "$grid" --scores "$1"
  ((DRY_RUN)) && OPTIONS[-1]="<best of $grid>" || OPTIONS[-1]=$(swcm best-setting "$grid" --scores "$1")
}
# merge_models METHOD NAME TITLE LANG...: merge TASK and CT-X of each language with OPTIONS, and test the result on each.
merge_models() {
  local x models=("$TASK") reads=(--reads "$TASK") shares=() RUN=$ROOT/$2
  for x in "${@:4}"; do models+=("$ROOT/ct-$x/checkpoint_last.pt") reads+=(--reads "$ROOT/ct-$x/checkpoint_last.pt"); done
  [ "$1" = average ] || shares=(--shares "$RUN/shares.json")
  step "${reads[@]}" --writes "$RUN/merged.pt" merge "$3" \
    swcm merge "${models[@]}" --method "$1" "${OPTIONS[@]}" "${shares[@]}" --output "$RUN/merged.pt"
  for x in "${@:4}"; do RUN=$ROOT/${2%-"$x"}-$x score test "$x-$x" "$ROOT/$2/merged.pt"; done
}

need_encoder # for its vocabulary
use_data crosslingual_summarization "${TASK_DATA:-}"
((DRY_RUN)) || swcm check-start --langs "${LANGUAGES[@]}" --pairs "$DATA"
learn_task task "$START"
for x in "${LANGUAGES[@]}"; do
  CT=$ROOT/ct-$x/checkpoint_last.pt
  use_data pretraining "${PRETRAINING_DATA:-}"
  RUN=$ROOT/ct-$x pretrain_on "CT-$x: more text in $x, and a quarter of Chinese" 1 --finetune-from-model "$START" \
    --corpora "dae_$x,dae_zh" --language-share zh=0.25
  learn_task "ctsft-$x" "$CT"
  RUN=$ROOT/base-$x score test "$x-$x" "$START"
  RUN=$ROOT/ct-$x score test "$x-$x" "$CT"
  RUN=$ROOT/task-$x score test "$x-$x" "$TASK"
  RUN=$ROOT/ctsft-$x score test "$x-$x" "$ROOT/ctsft-$x/checkpoint_best.pt"
  for method in average task-arithmetic ties ties-sv; do
    [ $method = ties-sv ] || choose "$x"
    merge_models $method "$method-$x" "$method, $x, with ${OPTIONS[-1]}, which is best on the validation split" "$x"
  done
  BEST+=("${OPTIONS[-1]}")
done
((${#BEST[@]} < 2)) || OPTIONS[-1]=$(swcm merge-settings ties "${BEST[@]}" --join)
((${#BEST[@]} < 2)) || merge_models ties ties-all "the models of all languages" "${LANGUAGES[@]}"
finish "$(command_line swcm paper-report --runs "$RUNS")"
