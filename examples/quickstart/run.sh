#!/usr/bin/env bash
# The whole pipeline on real text: a multilingual encoder that has never seen Tibetan becomes a model that writes the titles
# of help sections in Tibetan and in Chinese. For comparison, the same model with a randomly started decoder.
#
#   examples/quickstart/run.sh               ten minutes on two cores
#   SCALE=smoke examples/quickstart/run.sh   a minute, on little text: only shows that everything runs
#   COMPARE=0                                without the randomly started decoder
#   ENCODER=DIR|NAME                         another encoder: a directory, or a name on the Hugging Face hub, such as
#                                            hfl/cino-small-v2 (default: examples/quickstart/encoder)
#   DEVICE=cpu                               use the CPU (default: a GPU if there is one, at a larger scale)
#   OUT=DIR                                  output directory (default runs/quickstart or runs/quickstart-smoke)
#
# You can interrupt it at any time: finished steps are skipped, and a training continues from its last checkpoint.
set -euo pipefail
cd "$(dirname "$0")/../.."

. examples/steps.sh
check_variables

SCALE=${SCALE:-full} COMPARE=${COMPARE:-1} ENCODER=${ENCODER:-examples/quickstart/encoder} DEVICE=${DEVICE:-auto}
resolve_device
systems=(xlm-swcm)
[ "$COMPARE" = 0 ] || systems+=(random-decoder)
PIECES=4000 PRETRAINING_TOKENS=48 TITLE_TOKENS=48 RATE=5e-4
case $SCALE in
  full)
    TEXT=examples/quickstart/data/libreoffice XZ=.xz OUT=${OUT:-runs/quickstart}
    PRETRAINING_BATCH=48 PRETRAINING_UPDATES=210 TITLE_BATCH=32 TITLE_UPDATES=230 WARMUP=15 SAVE=100
    ;;
  smoke)
    TEXT=examples/quickstart/data/sample XZ='' OUT=${OUT:-runs/quickstart-smoke} PIECES=500
    PRETRAINING_BATCH=8 PRETRAINING_UPDATES=6 TITLE_BATCH=8 TITLE_UPDATES=6 WARMUP=2 SAVE=3
    ;;
esac
if [ "$DEVICE" = cuda ]; then
  PLACE=(--fp16 --distributed-world-size 1) PARALLEL=0
  if [ "$SCALE" = full ]; then
    PRETRAINING_TOKENS=128 TITLE_TOKENS=128 WARMUP=200 SAVE=1000
    PRETRAINING_BATCH=256 PRETRAINING_UPDATES=4000 TITLE_BATCH=128 TITLE_UPDATES=1500
  fi
else
  export CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # fairseq uses GPUs that it sees, even with --cpu
  PLACE=(--cpu) PARALLEL=$(($(getconf _NPROCESSORS_ONLN) > 1)) # nproc would count OMP_NUM_THREADS
  if grep -qs 'avx512_bf16\|amx_bf16' /proc/cpuinfo; then
    PLACE+=(--bf16)
  elif [ "$SCALE" = full ]; then
    echo "This CPU has no bfloat16 arithmetic: training takes about three times as long, half an hour in all."
  fi
fi
RUN=$OUT # where steps.sh keeps what is done

# warn_if_small: say in advance how long it takes on a machine with less than two cores and 6 GB.
warn_if_small() {
  local memory
  ((PARALLEL)) || [ "$DEVICE" = cuda ] || echo "One core: the systems train one after the other, about twice as long."
  memory=$(awk '/MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo 2>/dev/null || echo 99)
  if ((memory < 6)); then
    echo "$memory GB of memory are free, and two systems at a time need 6: they train one after the other, twice as long."
    PARALLEL=0
  fi
}
[ "$SCALE" = smoke ] || warn_if_small

# together FUNCTION: run FUNCTION SYSTEM ROW for every system, at the same time if there is a core for each.
together() {
  local system jobs=() status=0
  for system in "${systems[@]}"; do
    if ((PARALLEL)); then
      "$1" "$system" "${#jobs[@]}" &
      jobs+=($!)
    else
      "$1" "$system" 0
    fi
  done
  for job in "${jobs[@]}"; do wait "$job" || status=$?; done
  ((PARALLEL)) && printf '\n%.0s' "${jobs[@]}"
  return "$status"
}
set -m # each job is its own process group, which ends with this script
trap 'for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || true; done' EXIT

# options SYSTEM: the options in which the systems differ.
options() {
  [ "$1" = xlm-swcm ] || echo --random-inherited-layers
}

# only_first ROW COMMAND...: show the command of the first system; the others differ only in names and options.
only_first() {
  (($1)) || announce "${@:2}"
}
# train NAME ROW UPDATES OPTION...: a training with one progress bar; its log is OUT/NAME.log.
train() {
  local name=$1 row=$2 updates=$3 command
  command=(swcm train "${@:4}" --user-dir "$PLUGIN" --task multilingual_denoising_mt --langs 'bo,zh' \
    --arch xlm_swcm --criterion swcm_cross_entropy --dropout 0 --attention-dropout 0 \
    "${TRAINING_OPTIONS[@]}" --adam-betas '(0.9,0.98)' --weight-decay 0.01 --lr "$RATE" \
    --lr-scheduler warmup_linear --warmup-updates "$WARMUP" --total-num-update "$updates" --max-update "$updates" \
    --required-batch-size-multiple 1 --num-workers 0 --seed 1 "${PLACE[@]}" \
    --disable-validation --save-interval-updates "$SAVE" --keep-interval-updates 1 --save-dir "$OUT/$name")
  only_first "$row" "${command[@]}"
  "${command[@]}" 2>&1 |
    swcm progress "$OUT/$name.log" --label "$name" --row "$row"
}
pretrain() {
  local options
  finished "$1-pretraining" && return
  read -ra options <<<"$(options "$1")"
  train "$1-pretraining" "$2" "$PRETRAINING_UPDATES" "$OUT/data-bin/pretraining" --pretrained-encoder "$OUT/encoder" \
    "${options[@]}" --sampling-by corpus --tokens-per-sample "$PRETRAINING_TOKENS" --batch-size "$PRETRAINING_BATCH"
  mark "$1-pretraining"
}
finetune() {
  finished "$1-titles" && return
  train "$1-titles" "$2" "$TITLE_UPDATES" "$OUT/data-bin/title" \
    --finetune-from-model "$OUT/$1-pretraining/checkpoint_last.pt" \
    --tokens-per-sample "$TITLE_TOKENS" --batch-size "$TITLE_BATCH"
  mark "$1-titles"
}
# generate SYSTEM: titles of the held-out sections, using only the words of the language.
generate() {
  local lang command
  for lang in bo zh; do
    finished "$1-generate-$lang" && continue
    command=(fairseq-generate "$OUT/data-bin/title" --user-dir "$PLUGIN" \
      --task multilingual_denoising_mt --corpora "title_$lang" --source-lang "$lang" --target-lang "$lang" \
      --gen-subset test --path "$OUT/$1-titles/checkpoint_last.pt" --tokens-per-sample "$TITLE_TOKENS" \
      --beam 4 --no-repeat-ngram-size 2 --min-len 2 --max-len-b 40 --restrict-decoding --batch-size 64 \
      --remove-bpe sentencepiece --results-path "$OUT/$1-titles/$lang" "${PLACE[@]:0:1}")
    only_first "$2" "${command[@]}"
    logged "$OUT/$1-generate-$lang.log" "${command[@]}"
    mark "$1-generate-$lang"
  done
}

mkdir -p "$OUT"
if ! finished encoder; then
  if [ ! -e "$ENCODER" ]; then
    step download "the first layers of $ENCODER"
    ENCODER=$ENCODER OUT=$OUT/small examples/quickstart/make_encoder.sh
    ENCODER=$OUT/small
  fi
  step encoder "Tibetan pieces for an encoder that has none: each new row starts from the rows of its translations"
  PIECES=$PIECES examples/quickstart/extend_encoder.sh "$ENCODER" "$TEXT" "$OUT/encoder"
  mark encoder
fi

if ! finished data; then
  step data "text to ids: text and translations for pretraining, sections and their titles for fine-tuning"
  rm -rf "$OUT/data-bin"
  mono=() titles=()
  for lang in bo zh; do
    mono+=(--mono "$lang:train=$TEXT/mono.$lang.train.txt$XZ")
    for split in train valid test; do
      titles+=(--pair "$lang-$lang:title_$lang:$split=$TEXT/title.$lang.$split.article$XZ,$TEXT/title.$lang.$split.title$XZ")
    done
  done
  pairs=(--pair "zh-bo:train=$TEXT/zh-bo.train.zh$XZ,$TEXT/zh-bo.train.bo$XZ")
  show swcm binarize --vocab "$OUT/encoder" --output "$OUT/data-bin/pretraining" "${mono[@]}" "${pairs[@]}"
  show swcm binarize --vocab "$OUT/encoder" --output "$OUT/data-bin/title" "${titles[@]}"
  mark data
fi

step pretraining "denoising in Tibetan and Chinese, translation between them"
together pretrain
step titles "help section -> its title, in both languages"
together finetune
step generate "titles of held-out sections, beam 4"
together generate

step report "scores on held-out sections"
pretraining=() titles=()
for system in "${systems[@]}"; do
  pretraining+=("$system=$OUT/$system-pretraining.log") titles+=("$system=$OUT/$system-titles.log")
done
swcm curves --output "$OUT/loss.png" \
  --panel pretraining "${pretraining[@]}" --panel titles "${titles[@]}"
swcm quickstart-report --out "$OUT" --text "$TEXT" --systems "${systems[@]}" \
  --curves "$OUT/loss.png"
printf '\nTook %s seconds. Next: README.md, "A real pretraining run".\n' "$SECONDS"
