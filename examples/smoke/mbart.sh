#!/usr/bin/env bash
# A tiny mBART in the published format, for SCALE=smoke, trained for two updates with fairseq's own denoising task.
#   examples/smoke/mbart.sh VOCABULARY DIRECTORY
set -euo pipefail
export CUDA_VISIBLE_DEVICES='' # fairseq uses visible GPUs even with --cpu
cd "$(dirname "$0")/../.."
vocabulary=$1 output=$2 work=$2.work text=examples/quickstart/data/sample
# shellcheck source=examples/smoke/mbart_size.sh
. examples/smoke/mbart_size.sh
[ ! -e "$output/model.pt" ] || exit 0
mkdir -p "$work"
{
  swcm binarize --vocab "$vocabulary" --output "$work/data-bin" \
    --mono "zh:train=$text/mono.zh.valid.txt" --mono "kk:train=$text/mono.kk.valid.txt"
  fairseq-train "$work/data-bin" --task multilingual_denoising --langs kk,zh --add-lang-token --arch mbart_large \
    --encoder-normalize-before --decoder-normalize-before "${MBART_SIZE[@]}" --criterion cross_entropy \
    --tokens-per-sample 64 --mask 0.35 --mask-random 0 --insert 0 --rotate 0 --batch-size 8 --max-update 2 \
    --optimizer adam --lr 1e-3 --disable-validation --data-buffer-size 0 --save-dir "$work/checkpoint" --cpu --seed 1
  mkdir -p "$output"
  cp "$vocabulary/dict.txt" "$output"
  cp "$vocabulary/sentencepiece.bpe.model" "$output/sentence.bpe.model"
} >"$work/log" 2>&1 || {
  tail -n 15 "$work/log" >&2
  exit 1
}
mv "$work/checkpoint/checkpoint_last.pt" "$output/model.pt"
rm -r "$work"
