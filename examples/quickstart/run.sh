#!/usr/bin/env bash
# The whole pipeline on real text: a multilingual encoder that has never seen Tibetan becomes a model that generates titles
# for help sections in Tibetan and in Chinese. The same model with a randomly initialized decoder is trained for comparison.
#
#   examples/quickstart/run.sh [--dry-run]
#
#   --dry-run                                only print the commands
#   SCALE=smoke                              a minute, on little text, instead of ten on two cores: only checks that it runs
#   COMPARE=0                                without the randomly initialized decoder
#   ENCODER=DIR|NAME                         another encoder: a directory, or a name on the Hugging Face hub, such as
#                                            hfl/cino-small-v2 (default: examples/quickstart/encoder)
#   DEVICE=cpu                               use the CPU (default: a GPU if there is one, at a larger scale)
#   OUT=DIR                                  output directory (default runs/quickstart or runs/quickstart-smoke)
#
# You can interrupt it at any time: finished steps are skipped, and a training continues from its last checkpoint.
set -euo pipefail
# shellcheck source=examples/steps.sh
. "$(dirname "$0")/../steps.sh"

SCALE=${SCALE:-full} ENCODER=${ENCODER:-examples/quickstart/encoder}
resolve_device
SYSTEMS=(xlm-swcm)
[ "${COMPARE:-1}" = 0 ] || SYSTEMS+=(random-decoder)
TOKENS=48
case $SCALE-$DEVICE in
  full-cpu)
    PIECES=4000 PRETRAINING_BATCH=48 PRETRAINING_UPDATES=200 TITLE_BATCH=32 TITLE_UPDATES=220 WARMUP=15 SAVE=100
    ;;
  full-cuda)
    TOKENS=128 PIECES=4000 PRETRAINING_BATCH=256 PRETRAINING_UPDATES=4000 TITLE_BATCH=128 TITLE_UPDATES=1500 WARMUP=200 SAVE=1000
    ;;
  smoke-*)
    PIECES=500 PRETRAINING_BATCH=8 PRETRAINING_UPDATES=6 TITLE_BATCH=8 TITLE_UPDATES=6 WARMUP=2 SAVE=3
    ;;
esac
case $SCALE in
  full) TEXT=examples/quickstart/data/libreoffice XZ=.xz RUN=${OUT:-runs/quickstart} ;;
  smoke) TEXT=examples/quickstart/data/sample XZ='' RUN=${OUT:-runs/quickstart-smoke} ;;
esac
if [ "$DEVICE" = cuda ]; then
  PLACE=(--fp16 --distributed-world-size 1) PARALLEL=0
else
  PLACE=(--cpu) PARALLEL=$(($(getconf _NPROCESSORS_ONLN) > 1)) # nproc would count OMP_NUM_THREADS
  if grep -qs 'avx512_bf16\|amx_bf16' /proc/cpuinfo; then
    PLACE+=(--bf16)
  elif [ "$SCALE" = full ]; then
    echo "# This CPU has no bfloat16 arithmetic: training takes about three times as long, half an hour in all."
  fi
fi
# Say in advance how long it takes on a machine with fewer than two cores and 6 GB.
memory=$(awk '/MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo 2>/dev/null || echo 99)
if [ "$SCALE-$DEVICE" = full-cpu ] && ((!PARALLEL || memory < 6)); then
  echo "# Two systems at a time need two cores and 6 GB of free memory ($memory here): they train one after the other, twice as long."
  PARALLEL=0
fi

# together FUNCTION: run FUNCTION SYSTEM ROW for every system, in parallel if there is a core for each.
together() {
  local system jobs=() status=0
  for system in "${SYSTEMS[@]}"; do
    if ((PARALLEL && !DRY_RUN)); then
      "$1" "$system" "${#jobs[@]}" &
      jobs+=($!)
    else
      "$1" "$system" 0
    fi
  done
  for job in "${jobs[@]}"; do wait "$job" || status=$?; done
  printf '\n%.0s' "${jobs[@]}" # below the bars
  return "$status"
}
set -m # each job is a process group, which ends with this script
trap 'for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || true; done' EXIT

# train STEP ROW UPDATES DATA OPTION...: a training with one progress bar; its log is RUN/STEP.log.
train() {
  step --log "$RUN/$1.log" --progress update --label "$1" --row "$2" "$1" "training" \
    swcm train "${@:4}" --user-dir "$PLUGIN" --task multilingual_denoising_mt --langs 'bo,zh' \
    --arch xlm_swcm --criterion swcm_cross_entropy --dropout 0 --attention-dropout 0 --tokens-per-sample "$TOKENS" \
    "${TRAINING_OPTIONS[@]}" --adam-betas '(0.9,0.98)' --weight-decay 0.01 --lr 5e-4 \
    --lr-scheduler warmup_linear --warmup-updates "$WARMUP" --total-num-update "$3" --max-update "$3" \
    --required-batch-size-multiple 1 --num-workers 0 --seed 1 "${PLACE[@]}" \
    --disable-validation --save-interval-updates "$SAVE" --keep-interval-updates 1 --save-dir "$RUN/$1"
}
# pretrain SYSTEM ROW: denoising in Tibetan and Chinese, translation between them.
pretrain() {
  local options=()
  [ "$1" = xlm-swcm ] || options=(--random-inherited-layers)
  train "$1-pretraining" "$2" "$PRETRAINING_UPDATES" "$RUN/data-bin/pretraining" --pretrained-encoder "$RUN/encoder" \
    "${options[@]}" --sampling-by corpus --batch-size "$PRETRAINING_BATCH"
}
# finetune SYSTEM ROW: help section -> its title, in both languages.
finetune() {
  train "$1-titles" "$2" "$TITLE_UPDATES" "$RUN/data-bin/title" \
    --finetune-from-model "$RUN/$1-pretraining/checkpoint_last.pt" --batch-size "$TITLE_BATCH"
}
# generate SYSTEM ROW: titles of the held-out sections, using only the words of the language.
generate() {
  local lang checkpoint=$RUN/$1-titles/checkpoint_last.pt
  for lang in bo zh; do
    step --reads "$checkpoint" --log "$RUN/$1-generate-$lang.log" --row "$2" "$1-generate-$lang" "titles, beam 4" \
      fairseq-generate "$RUN/data-bin/title" --user-dir "$PLUGIN" --task multilingual_denoising_mt \
      --corpora "title_$lang" --source-lang "$lang" --target-lang "$lang" \
      --gen-subset test --path "$checkpoint" --tokens-per-sample "$TOKENS" \
      --beam 4 --no-repeat-ngram-size 2 --min-len 2 --max-len-b 40 --restrict-decoding --batch-size 64 \
      --remove-bpe sentencepiece --results-path "$RUN/$1-titles/$lang" "${PLACE[@]:0:1}"
  done
}

if [ ! -e "$ENCODER" ]; then
  step --writes "$RUN/small" download "the first layers of $ENCODER" \
    env "ENCODER=$ENCODER" "OUT=$RUN/small" examples/quickstart/make_encoder.sh
  ENCODER=$RUN/small
fi
step --writes "$RUN/encoder" encoder \
  "Tibetan pieces for an encoder that has none: each new row starts from the rows of its translations" \
  env "PIECES=$PIECES" examples/quickstart/extend_encoder.sh "$ENCODER" "$TEXT" "$RUN/encoder"
mono=() titles=()
for lang in bo zh; do
  mono+=(--mono "$lang:train=$TEXT/mono.$lang.train.txt$XZ")
  for split in train valid test; do
    titles+=(--pair "$lang-$lang:title_$lang:$split=$TEXT/title.$lang.$split.article$XZ,$TEXT/title.$lang.$split.title$XZ")
  done
done
step --reads "$RUN/encoder" --writes "$RUN/data-bin/pretraining" data "text and translations to ids, for pretraining" \
  swcm binarize --vocab "$RUN/encoder" --output "$RUN/data-bin/pretraining" "${mono[@]}" \
  --pair "zh-bo:train=$TEXT/zh-bo.train.zh$XZ,$TEXT/zh-bo.train.bo$XZ"
step --reads "$RUN/encoder" --writes "$RUN/data-bin/title" titles "sections and their titles to ids, for fine-tuning" \
  swcm binarize --vocab "$RUN/encoder" --output "$RUN/data-bin/title" "${titles[@]}"
together pretrain
together finetune
together generate

pretraining=() titles=()
for system in "${SYSTEMS[@]}"; do
  pretraining+=("$system=$RUN/$system-pretraining.log") titles+=("$system=$RUN/$system-titles.log")
done
show swcm curves --output "$RUN/loss.png" --panel pretraining "${pretraining[@]}" --panel titles "${titles[@]}"
show swcm quickstart-report --out "$RUN" --text "$TEXT" --systems "${SYSTEMS[@]}" --curves "$RUN/loss.png"
((DRY_RUN)) || printf '\nTook %s seconds. Next: README.md, "A real pretraining run".\n' "$SECONDS"
