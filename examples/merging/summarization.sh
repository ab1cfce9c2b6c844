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
#
# For each language X: CT-X is BASE trained further on text in X, and in Chinese so that it is not forgotten; TASK is BASE
# fine-tuned only on Chinese summaries (LCSTS); CTSFT-X is CT-X fine-tuned in the same way. WAVG-X and TIES-X are TASK merged
# with CT-X, with densities and weights chosen on the validation set in X. All are tested on X; no model has seen a summary in X.
# Unlike in the paper, the models are those of this project, and Chinese takes the place of English.
# Runs: RUNS/merging/summarization/SYSTEM-X; the table: python -m swcm_fairseq.reporting.paper_report.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
parse "$@"
own_data_refused
case $SCALE in
  full)
    LANGUAGES=${LANGUAGES:-bo ug} DENSITIES=${DENSITIES:-0.01 0.2 0.4 0.6 0.8 1.0} WEIGHTS=${WEIGHTS:-0.2 0.4 0.6 0.8}
    CT_EPOCHS=1 TASK_CORPUS=summarization_zh
    ;;
  smoke)
    LANGUAGES=${LANGUAGES:-bo ug} DENSITIES=${DENSITIES:-0.2 1.0} WEIGHTS=${WEIGHTS:-0.5}
    CT_EPOCHS=1 TASK_CORPUS=title_zh
    ;;
esac
read -ra LANGUAGES <<<"$LANGUAGES"
ROOT=$RUNS/merging/summarization BEST=''
: "${START:=$RUNS/pretraining/xlm-swcm/checkpoint_last.pt}"
need_file "$START" "make it: $(again examples/pretraining/single_gpu.sh), or name another with --start"

# use_data NAME: the data directory of a manifest.
use_data() {
  MANIFEST='' DATA=''
  choose_data "$1"
  read_data
}
# read_on LANG: CT-X.
read_on() {
  RUN=$ROOT/ct-$1
  use_data pretraining
  finished train && return
  step train "CT-$1: more text in $1, and Chinese"
  batch "$PRETRAINING_BATCH" "$PRETRAINING_PER_GPU"
  train "$CT_EPOCHS" --finetune-from-model "$START" --corpora "dae_$1,dae_zh" --sampling-alpha 0.3 \
    --long-documents truncate
  mark train
}
# learn_task RUN CHECKPOINT: fine-tune only on Chinese summaries, from a checkpoint.
learn_task() {
  RUN=$ROOT/$1
  use_data crosslingual_summarization
  finished train && return
  step train "$1: Chinese summaries"
  batch "$FINETUNING_BATCH" "$FINETUNING_PER_GPU"
  train "$FINETUNING_EPOCHS" --finetune-from-model "$2" --corpora "$TASK_CORPUS" --eval-metric rouge_l \
    "${VALIDATION[@]}" --best-checkpoint-metric rouge_l --maximize-best-checkpoint-metric
  mark train
}
# score SPLIT LANG CHECKPOINT: outputs of a checkpoint for a split, and their scores, in RUN.
score() {
  finished "score-$2" && return
  step "score-$2" "$1 split in $2"
  local command=(fairseq-generate "$DATA" --user-dir swcm_fairseq --task multilingual_denoising_mt
    --source-lang "$2" --target-lang "$2" --gen-subset "$1" --path "$3" "${DEVICE[@]}" "${GENERATION[@]}"
    --required-batch-size-multiple 1 --remove-bpe sentencepiece --tokens-per-sample "$TOKENS" --scoring rouge_l
    --results-path "$RUN/$1/$2")
  announce "${command[@]}" && mkdir -p "$RUN/scores" && logged "$RUN/generate-$2.log" "${command[@]}"
  show python -m swcm_fairseq.scoring --generated "$RUN/$1/$2/generate-$1.txt" --lang "$2" --format json \
    --output "$RUN/scores/$2.json"
  mark "score-$2"
}
# merged OUTPUT OPTION...: merge TASK with the other models, which come first in the options.
merged() {
  [ -e "$1" ] || show python -m swcm_fairseq.merge "$ROOT/task/checkpoint_best.pt" "${@:2}" --output "$1"
}
# try METHOD LANG SETTING OPTION...: score one point of a grid on the validation split, without keeping its checkpoint.
try() {
  RUN=$ROOT/grid/$1-$2/$3
  finished "score-$2" && return
  merged "$RUN/merged.pt" "$ROOT/ct-$2/checkpoint_last.pt" --method "$1" "${@:4}"
  score valid "$2" "$RUN/merged.pt"
  show rm "$RUN/merged.pt"
}
# choose METHOD LANG: set BEST to the best setting of a grid.
choose() {
  local command=(python -m swcm_fairseq.reporting.best_setting "$ROOT/grid/$1-$2" --scores "$2")
  BEST="<best of $ROOT/grid/$1-$2>"
  announce "${command[@]}" || return 0
  BEST=$("${command[@]}")
  echo "$1, $2: $BEST is best on the validation split"
}
# merge_one LANG: WAVG-X and TIES-X.
merge_one() {
  local task language weight
  for weight in $WEIGHTS; do
    weight=$weight,$(awk "BEGIN { print 1 - $weight }")
    try average "$1" "$weight" --weights "$weight"
  done
  choose average "$1"
  RUN=$ROOT/average-$1
  merged "$RUN/merged.pt" "$ROOT/ct-$1/checkpoint_last.pt" --method average --weights "$BEST"
  score test "$1" "$RUN/merged.pt"
  for task in $DENSITIES; do
    for language in $DENSITIES; do
      try ties "$1" "$task,$language" --base "$START" --densities "$task,$language"
    done
  done
  choose ties "$1"
  DENSITY_OF[$1]=$BEST
  RUN=$ROOT/ties-$1
  merged "$RUN/merged.pt" "$ROOT/ct-$1/checkpoint_last.pt" --method ties --base "$START" --densities "$BEST" \
    --shares "$RUN/shares.json"
  score test "$1" "$RUN/merged.pt"
}
# merge_all: merge TASK and CT-X of all languages at once, with the densities that were best for each (section 7.1).
merge_all() {
  local x models=() densities=${DENSITY_OF[${LANGUAGES[0]}]%,*}
  for x in "${LANGUAGES[@]}"; do
    models+=("$ROOT/ct-$x/checkpoint_last.pt")
    densities+=,${DENSITY_OF[$x]#*,}
  done
  merged "$ROOT/ties-all/merged.pt" "${models[@]}" --method ties --base "$START" --densities "$densities" \
    --shares "$ROOT/ties-all/shares.json"
  for x in "${LANGUAGES[@]}"; do
    RUN=$ROOT/ties-all-$x
    score test "$x" "$ROOT/ties-all/merged.pt"
  done
}

declare -A DENSITY_OF=()
need_encoder # for its vocabulary
learn_task task "$START"
for x in "${LANGUAGES[@]}"; do
  read_on "$x"
  learn_task "ctsft-$x" "$ROOT/ct-$x/checkpoint_last.pt"
  RUN=$ROOT/base-$x && score test "$x" "$START"
  RUN=$ROOT/ct-$x && score test "$x" "$RUN/checkpoint_last.pt"
  RUN=$ROOT/task-$x && score test "$x" "$ROOT/task/checkpoint_best.pt"
  RUN=$ROOT/ctsft-$x && score test "$x" "$RUN/checkpoint_best.pt"
  merge_one "$x"
done
((${#LANGUAGES[@]} < 2)) || merge_all
RUN=$ROOT
finish "$(command_line python -m swcm_fairseq.reporting.paper_report --runs "$RUNS")"
