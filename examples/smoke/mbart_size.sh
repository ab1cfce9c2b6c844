# shellcheck shell=bash disable=SC2034
# The size of mBART at SCALE=smoke.
MBART_SIZE=(--encoder-layers 2 --decoder-layers 2 --encoder-embed-dim 64 --decoder-embed-dim 64
  --encoder-ffn-embed-dim 128 --decoder-ffn-embed-dim 128 --encoder-attention-heads 2 --decoder-attention-heads 2)
