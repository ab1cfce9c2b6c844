#!/usr/bin/env bash
# Continued masked language modeling with an encoder whose vocabulary was extended or pruned, so that the model learns
# its new pieces: CINO's pretraining (Yang et al. 2022) on the text of the pretraining corpora. The settings follow
# Table 7 and section 3.2: languages are drawn by n^0.7 / l^0.3, the softmax covers the pieces of one language, and Chinese
# documents, unlike other texts, are joined and cut at 256 tokens.
#
#   examples/pretraining/continued_mlm.sh [--name NAME] [--dry-run] [-- OPTION...]
#
# ENCODER is a directory written by swcm vocab-extend or vocab-prune (default: encoders/xlm-roberta-base-extended).
# SIZE=large uses the settings of CINO-large, for XLM-R large (default: base).
# JOIN lists the languages whose documents are joined, such as zh,bo (default: zh; JOIN= joins none).
# To train for a few days on one GPU instead of CINO's 150,000 updates of 4,096 texts, add for example:
#   -- --max-update 20000 --total-num-update 20000 --warmup-updates 1000 --lr 1e-4 --update-freq 8
# Run: RUNS/pretraining/NAME (default: continued-mlm); use its folder "encoder" as ENCODER in other recipes.
set -euo pipefail
case ${SCALE:-full} in
  smoke) ENCODER=${ENCODER:-${RUNS:-runs/smoke}/encoder-extended} ;;
  *) ENCODER=${ENCODER:-encoders/xlm-roberta-base-extended} ;;
esac
DEFAULT_NAME=continued-mlm
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"

RUN=$RUNS/pretraining/$NAME PROGRESS=update LAYERS=() TOKENS=256
case ${SIZE:-base} in
  base) ARCH=roberta_base UPDATES=150000 WARMUP=10000 LR=2e-4 BATCH_TOTAL=4096 MOST=64 ;;
  large) ARCH=roberta_large UPDATES=75000 WARMUP=5000 LR=1e-4 BATCH_TOTAL=8192 MOST=32 ;;
esac
if [ "$SCALE" = smoke ]; then
  LAYERS=(--encoder-layers 4 --encoder-embed-dim 64 --encoder-ffn-embed-dim 256 --encoder-attention-heads 4)
  UPDATES=6 WARMUP=2 BATCH_TOTAL=16 MOST=16 TOKENS=64
  if [ ! -e "$ENCODER/dict.txt" ]; then # the sample encoder of all recipes, extended with Tibetan pieces that it lacks
    show examples/smoke/encoder.sh "$RUNS/encoder"
    show swcm vocab-extend --vocab "$RUNS/encoder" --size 500 --output "$ENCODER" \
      --input bo=examples/quickstart/data/sample/mono.bo.train.txt
  fi
fi
need_file "$ENCODER/dict.txt" "extend an encoder: swcm vocab-extend --vocab encoders/xlm-roberta-base \
--input bo=TEXT kk=TEXT mn=TEXT ug=TEXT --output $ENCODER"
encoder_as_checkpoint
choose_data pretraining
batch "$BATCH_TOTAL" "$MOST"
PREPARE=read_data training train "masked language modeling in all languages" "$RUN" \
  --task corpora_masked_lm --criterion fast_masked_lm --arch "$ARCH" "${LAYERS[@]}" --max-positions 512 \
  --tokens-per-sample "$TOKENS" --mask-prob 0.2 --join-documents "${JOIN-zh}" --finetune-from-model "$RUN/start.pt" \
  --sampling-alpha 0.7 --sampling-beta 0.3 --adam-eps 1e-8 --weight-decay 0 --lr "$LR" \
  --lr-scheduler polynomial_decay --warmup-updates "$WARMUP" --total-num-update "$UPDATES" --max-update "$UPDATES" \
  "${KEEP_LAST[@]}" --validate-interval-updates 1000
step --reads "$RUN/checkpoint_last.pt" --writes "$RUN/encoder" encoder "write the trained model as an encoder directory" \
  swcm convert "$RUN/checkpoint_last.pt" --output "$RUN/encoder" \
  --sentencepiece-model "$ENCODER/sentencepiece.bpe.model"
OWN_ENCODER=("ENCODER=$RUN/encoder" "DATA=$DATA") # the vocabulary is that of the original encoder
finish "$(again examples/pretraining/single_gpu.sh --name "xlm-swcm-$NAME")"
