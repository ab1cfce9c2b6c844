#!/usr/bin/env bash
# What each part of the method contributes: the systems of the paper's section 5 (plan.yaml), trained from the
# demonstration's encoder on its text, with equal updates, several seeds, and a learning rate chosen for each system on the
# validation set.
#
#   examples/study/run.sh                 on CPU cores: twenty to twenty-five minutes of one core per system
#   DEVICE=cuda examples/study/run.sh     on one GPU, at a larger scale; give an ENCODER of 12 layers
#   SCALE=smoke examples/study/run.sh     a few minutes: only shows that everything runs
#   JOBS=N                                trainings at a time (default: 1)
#   ENCODER=DIR TEXT=DIR                  another encoder, other text in the layout of examples/quickstart/data/libreoffice;
#                                         on a GPU also title.ug, zh-{ug,kk,mn} with test files and, as extracted by
#                                         swcm extract, reading.{zh,kk}.SPLIT.{source,target}.xz
#   RESULTS=DIR                           finished runs (default: examples/study/results/cpu, gpu or smoke)
#
# You can interrupt it at any time: the same command continues. Finished runs are read from RESULTS and not repeated.
set -euo pipefail
cd "$(dirname "$0")/../.."

. examples/steps.sh

check_variables
SCALE=${SCALE:-full} JOBS=${JOBS:-1} DEVICE=${DEVICE:-cpu} ENCODER=${ENCODER:-examples/quickstart/encoder}
TEXT=${TEXT:-examples/quickstart/data/libreoffice}
resolve_device
case $SCALE-$DEVICE in
  smoke-*) plan=smoke DEVICE=cpu ;;
  full-cpu) plan=cpu ;;
  *) plan=gpu ;;
esac
[ "$DEVICE" = cuda ] || export CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
if [ "$plan" = gpu ]; then
  LANGS=(bo kk mn ug zh) MLM=3000 PLACE=(--fp16 --distributed-world-size 1)
else
  LANGS=(bo zh) MLM=150 PLACE=(--cpu --bf16)
fi
RESULTS=${RESULTS:-examples/study/results/$plan} OUT=${OUT:-runs/study/$plan}
RUN=$OUT # where steps.sh keeps what is done

# rows START: an encoder with the Tibetan pieces, whose rows start in one of the ways that extend_encoder.sh knows.
rows() {
  finished "encoder-$1" && return
  step "encoder-$1" "Tibetan pieces; the rows of new ones: $1"
  mkdir -p "$OUT/encoders"
  ROWS=$1 LANGUAGES=${LANGS[*]} show examples/quickstart/extend_encoder.sh "$ENCODER" "$TEXT" "$OUT/encoders/$1"
  mark "encoder-$1"
}
# continued START: such an encoder after continued masked language modelling, as CINO's.
continued() {
  finished "encoder-$1-mlm" && return
  step "encoder-$1-mlm" "continued masked language modelling"
  rm -rf "$OUT/mlm-$1/start.pt" "$OUT/encoders/$1-mlm" # of an interrupted run
  show swcm convert "$OUT/encoders/$1" --to fairseq --output "$OUT/mlm-$1/start.pt"
  show swcm train "$OUT/data-bin/pretraining" --user-dir "$PLUGIN" --task corpora_masked_lm \
    --criterion fast_masked_lm --arch roberta_base --finetune-from-model "$OUT/mlm-$1/start.pt" --mask-prob 0.2 \
    --tokens-per-sample 48 --batch-size 32 "${TRAINING_OPTIONS[@]}" --lr 5e-4 --lr-scheduler warmup_linear \
    --warmup-updates 15 --total-num-update "$MLM" --max-update "$MLM" \
    --save-dir "$OUT/mlm-$1" --disable-validation --num-workers 0 --seed 1 "${PLACE[@]}"
  show swcm convert "$OUT/mlm-$1/checkpoint_last.pt" --output "$OUT/encoders/$1-mlm" \
    --sentencepiece-model "$OUT/encoders/$1/sentencepiece.bpe.model"
  mark "encoder-$1-mlm"
}
# texts KIND LANG SIDE SIDE: the options --pair of one corpus in TEXT, such as title.bo.train.article with .title; nothing
# without its test set.
texts() {
  local split
  [ -e "$TEXT/$1.$2.test.$3.xz" ] || return 0
  for split in train valid test; do
    printf '%s\n' --pair "$2-$2:$1_$2:$split=$TEXT/$1.$2.$split.$3.xz,$TEXT/$1.$2.$split.$4.xz"
  done
}
# pairs LANG: the same for translations from Chinese.
pairs() {
  local split
  [ -e "$TEXT/zh-$1.test.$1.xz" ] || return 0
  for split in train valid test; do printf '%s\n' --pair "zh-$1:$split=$TEXT/zh-$1.$split.zh.xz,$TEXT/zh-$1.$split.$1.xz"; done
}
# binarize NAME OPTION...: a data directory, if there is text for it.
binarize() {
  (($# == 1)) || show swcm binarize --vocab "$OUT/encoders/aligned" --output "$OUT/data-bin/$1" "${@:2}"
}

rows aligned
if ! finished data; then
  step data "text to ids"
  rm -rf "$OUT/data-bin"
  mono=()
  for lang in "${LANGS[@]}"; do mono+=(--mono "$lang:train=$TEXT/mono.$lang.train.txt.xz"); done
  for lang in "${LANGS[@]}"; do
    pair=$TEXT/zh-$lang.train
    [ "$lang" = zh ] || mono+=(--pair "zh-$lang:train=$pair.zh.xz,$pair.$lang.xz")
  done
  binarize pretraining "${mono[@]}"
  mapfile -t options < <(for lang in bo zh; do texts title "$lang" article title; done)
  binarize titles "${options[@]}"
  mapfile -t options < <(pairs bo)
  binarize translation "${options[@]}"
  if [ "$plan" = gpu ]; then
    binarize translation-back "${options[@]}"
    mapfile -t options < <(texts title ug article title)
    binarize titles-ug "${options[@]}"
    for lang in ug kk mn; do
      mapfile -t options < <(pairs "$lang")
      binarize "translation-$lang" "${options[@]}"
    done
    mapfile -t options < <(for lang in zh kk; do texts reading "$lang" source target; done)
    binarize reading "${options[@]}"
  fi
  mark data
fi
if [ "$plan" != smoke ]; then
  for start in random mean pushed; do rows "$start"; done
  for start in random aligned; do continued "$start"; done
fi

mkdir -p "$RESULTS/references"
for file in "$TEXT"/title.*.test.title.xz "$TEXT"/reading.*.test.target.xz "$TEXT"/zh-*.test.*.xz; do
  [ -e "$file" ] || continue
  IFS=. read -r kind lang _ side _ <<<"$(basename "$file")" # title.bo.test.title.xz, zh-bo.test.bo.xz
  case $kind in
    title | reading) name=${kind}_$lang.$lang-$lang ;;
    *) side=${file%.xz} side=${side##*.} lang=${kind#zh-} && name=$kind.$([ "$side" = zh ] && echo "$lang-zh" || echo "zh-$lang") ;;
  esac
  xz -dc "$file" >"$RESULTS/references/$name.txt"
done

step study "the systems of examples/study/plan.yaml"
show swcm study run --scale "$plan" --encoders "$OUT/encoders" --data "$OUT/data-bin" --work "$OUT/work" \
  --results "$RESULTS" --jobs "$JOBS"
