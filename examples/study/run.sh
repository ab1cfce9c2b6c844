#!/usr/bin/env bash
# What each part of the method contributes: the systems in section 5 of the paper (plan.yaml), trained from the encoder of the
# demonstration on its text, with equal updates, several seeds, and a learning rate chosen for each system on the validation
# set.
#
#   examples/study/run.sh [--dry-run]
#
#   examples/study/run.sh                 on CPU cores: twenty to twenty-five minutes of one core per system
#   DEVICE=cuda examples/study/run.sh     on one GPU, at a larger scale; give an ENCODER with 12 layers
#   SCALE=smoke examples/study/run.sh     a few minutes: only checks that everything runs
#   JOBS=N                                trainings at a time (default: 1)
#   ENCODER=DIR TEXT=DIR                  another encoder; other text in the layout of examples/quickstart/data/libreoffice,
#                                         on a GPU also with title.ug, zh-{ug,kk,mn} with test files and
#                                         reading.{zh,kk}.SPLIT.{source,target}.xz, as written by swcm extract
#   RESULTS=DIR                           finished runs (default: examples/study/results/cpu, gpu or smoke)
#
# You can interrupt it at any time: the same command continues. Finished runs are read from RESULTS and not repeated.
set -euo pipefail
# shellcheck source=examples/steps.sh
. "$(dirname "$0")/../steps.sh"

DEVICE=${DEVICE:-cpu} ENCODER=${ENCODER:-examples/quickstart/encoder} TEXT=${TEXT:-examples/quickstart/data/libreoffice}
[ "${SCALE:-full}" = full ] || DEVICE=cpu
resolve_device
case ${SCALE:-full}-$DEVICE in
  smoke-*) PLAN=smoke ;;
  full-cpu) PLAN=cpu ;;
  *) PLAN=gpu ;;
esac
LANGS=(bo zh) MLM=150 PLACE=(--cpu --bf16) OTHERS=()
[ "$PLAN" != gpu ] || LANGS=(bo kk mn ug zh) MLM=3000 PLACE=(--fp16 --distributed-world-size 1) OTHERS=(kk mn ug)
RESULTS=${RESULTS:-examples/study/results/$PLAN} RUN=${OUT:-runs/study/$PLAN}

# rows START: an encoder with the Tibetan pieces, whose rows are initialized by one of the methods of extend_encoder.sh.
rows() {
  step --writes "$RUN/encoders/$1" "encoder-$1" "Tibetan pieces; the rows of new ones: $1" \
    env "ROWS=$1" "LANGUAGES=${LANGS[*]}" examples/quickstart/extend_encoder.sh "$ENCODER" "$TEXT" "$RUN/encoders/$1"
}
# continued START: such an encoder after continued masked language modeling, as in CINO.
continued() {
  local work=$RUN/mlm-$1
  step --reads "$RUN/encoders/$1" --writes "$work/start.pt" "encoder-$1-start" "the encoder as a fairseq checkpoint" \
    swcm convert "$RUN/encoders/$1" --to fairseq --output "$work/start.pt"
  step --log "$work/train.log" --progress update "encoder-$1-train" "continued masked language modeling" \
    swcm train "$RUN/data-bin/pretraining" --user-dir "$PLUGIN" --task corpora_masked_lm \
    --criterion fast_masked_lm --arch roberta_base --finetune-from-model "$work/start.pt" --mask-prob 0.2 \
    --tokens-per-sample 48 --batch-size 32 "${TRAINING_OPTIONS[@]}" --lr 5e-4 --lr-scheduler warmup_linear \
    --warmup-updates 15 --total-num-update "$MLM" --max-update "$MLM" \
    --save-dir "$work" --disable-validation --num-workers 0 --seed 1 "${PLACE[@]}"
  step --reads "$work/checkpoint_last.pt" --writes "$RUN/encoders/$1-mlm" "encoder-$1-mlm" "the result as an encoder" \
    swcm convert "$work/checkpoint_last.pt" --output "$RUN/encoders/$1-mlm" \
    --sentencepiece-model "$RUN/encoders/$1/sentencepiece.bpe.model"
}
# corpus NAME FILE SIDE SIDE: add to PAIRS the options of a corpus in TEXT, such as title.bo.train.article with .title, if it has
# a test set.
corpus() {
  local split
  for split in train valid test; do
    [ ! -e "$TEXT/$2.test.$4.xz" ] || PAIRS+=(--pair "$1:$split=$TEXT/$2.$split.$3.xz,$TEXT/$2.$split.$4.xz")
  done
}
titles() { corpus "$1-$1:title_$1" "title.$1" article title; }
translations() { corpus "zh-$1" "zh-$1" zh "$1"; }
# binarize NAME: a data directory of PAIRS, if there are any; they are then forgotten.
binarize() {
  ((${#PAIRS[@]} == 0)) || step --reads "$RUN/encoders/aligned" --writes "$RUN/data-bin/$1" "data-$1" "text to ids" \
    swcm binarize --vocab "$RUN/encoders/aligned" --output "$RUN/data-bin/$1" "${PAIRS[@]}"
  PAIRS=()
}

rows aligned
PAIRS=()
for lang in "${LANGS[@]}"; do PAIRS+=(--mono "$lang:train=$TEXT/mono.$lang.train.txt.xz"); done
for lang in bo "${OTHERS[@]}"; do PAIRS+=(--pair "zh-$lang:train=$TEXT/zh-$lang.train.zh.xz,$TEXT/zh-$lang.train.$lang.xz"); done
binarize pretraining
for lang in bo zh; do titles "$lang"; done
binarize titles
translations bo; binarize translation
if [ "$PLAN" = gpu ]; then
  translations bo; binarize translation-back
  titles ug; binarize titles-ug
  for lang in "${OTHERS[@]}"; do translations "$lang"; binarize "translation-$lang"; done
  for lang in zh kk; do corpus "$lang-$lang:reading_$lang" "reading.$lang" source target; done
  binarize reading
fi
if [ "$PLAN" != smoke ]; then
  for start in random mean pushed; do rows "$start"; done
  for start in random aligned; do continued "$start"; done
fi

show swcm study run --scale "$PLAN" --encoders "$RUN/encoders" --data "$RUN/data-bin" --work "$RUN/work" \
  --text "$TEXT" --results "$RESULTS" --jobs "${JOBS:-1}"
