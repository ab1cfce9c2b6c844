#!/usr/bin/env bash
# What each part of the method contributes: the systems of the paper's section 5 (plan.yaml), trained from the
# demonstration's encoder on its text, with equal updates, several seeds, and a learning rate chosen for each system on the
# validation set.
#
#   examples/study/run.sh                 on CPU cores: twenty to twenty-five minutes of one core per system
#   DEVICE=cuda examples/study/run.sh     on one GPU, at a larger scale; give an ENCODER of 12 layers
#   SCALE=smoke examples/study/run.sh     a few minutes: only shows that everything runs
#   JOBS=N                                trainings at a time (default: 1)
#   ENCODER=DIR TEXT=DIR                  another encoder, other text in the layout of examples/quickstart/data/libreoffice
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
RESULTS=${RESULTS:-examples/study/results/$plan} OUT=${OUT:-runs/study/$plan}
RUN=$OUT # where steps.sh keeps what is done

if ! finished encoder; then
  step encoder "Tibetan pieces, each new row started from the rows of its translations"
  show examples/quickstart/extend_encoder.sh "$ENCODER" "$TEXT" "$OUT/encoder"
  mark encoder
fi
if ! finished data; then
  step data "text to ids"
  rm -rf "$OUT/data-bin"
  mono=() titles=() pairs=()
  for lang in bo zh; do
    mono+=(--mono "$lang:train=$TEXT/mono.$lang.train.txt.xz")
    for split in train valid test; do
      titles+=(--pair "$lang-$lang:title_$lang:$split=$TEXT/title.$lang.$split.article.xz,$TEXT/title.$lang.$split.title.xz")
    done
  done
  for split in train valid test; do pairs+=(--pair "zh-bo:$split=$TEXT/zh-bo.$split.zh.xz,$TEXT/zh-bo.$split.bo.xz"); done
  show python -m preprocess.binarize --vocab "$OUT/encoder" --output "$OUT/data-bin/pretraining" "${mono[@]}" "${pairs[@]:0:2}"
  show python -m preprocess.binarize --vocab "$OUT/encoder" --output "$OUT/data-bin/titles" "${titles[@]}"
  show python -m preprocess.binarize --vocab "$OUT/encoder" --output "$OUT/data-bin/translation" "${pairs[@]}"
  mark data
fi
mkdir -p "$RESULTS/references"
for lang in bo zh; do xz -dc "$TEXT/title.$lang.test.title.xz" >"$RESULTS/references/title_$lang.$lang-$lang.txt"; done
xz -dc "$TEXT/zh-bo.test.bo.xz" >"$RESULTS/references/zh-bo.zh-bo.txt"

step study "the systems of examples/study/plan.yaml"
show python -m swcm_fairseq.study run --scale "$plan" --encoder "$OUT/encoder" --data "$OUT/data-bin" --work "$OUT/work" \
  --results "$RESULTS" --jobs "$JOBS"
