#!/usr/bin/env bash
# The encoder that all recipes share at SCALE=smoke: four XLM-R layers, trained for two updates.
#   examples/smoke/encoder.sh DIRECTORY
set -euo pipefail
export CUDA_VISIBLE_DEVICES='' # fairseq uses visible GPUs even with --cpu
cd "$(dirname "$0")/../.."
output=$1 work=$1.work text=examples/quickstart/data/sample
[ ! -e "$output/dict.txt" ] || exit 0
corpora=() plain=()
for lang in bo kk mn ug zh; do
  corpora+=("$lang=$text/mono.$lang.train.txt")
  plain+=(--plain "train=$text/mono.$lang.valid.txt")
done
mkdir -p "$work"
{
  swcm vocab --input "${corpora[@]}" --size 1000 --output "$work/vocab"
  swcm binarize --vocab "$work/vocab" --output "$work/data-bin" "${plain[@]}"
  fairseq-train "$work/data-bin" --task masked_lm --criterion masked_lm --arch roberta_base \
    --encoder-layers 4 --encoder-embed-dim 64 --encoder-ffn-embed-dim 256 --encoder-attention-heads 4 \
    --max-positions 512 --tokens-per-sample 64 --sample-break-mode none --batch-size 8 --max-update 2 \
    --optimizer adam --lr 1e-3 --disable-validation --data-buffer-size 0 --save-dir "$work/checkpoint" --cpu --seed 1
  swcm convert "$work/checkpoint/checkpoint_last.pt" --output "$output.part" \
    --sentencepiece-model "$work/vocab/sentencepiece.bpe.model"
} >"$work/log" 2>&1 || {
  tail -n 15 "$work/log" >&2
  exit 1
}
mv "$output.part" "$output"
rm -r "$work"
