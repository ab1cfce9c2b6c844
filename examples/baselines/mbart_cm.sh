#!/usr/bin/env bash
# mBART-CM: fairseq's mBART with the vocabulary and the language tokens of XLM-SWCM, trained further on the same data with
# the same task, then fine-tuned like XLM-SWCM (Su et al. 2025, section 4.2.1, Tables 1 and 2).
#
#   MBART=DIR examples/baselines/mbart_cm.sh [--name NAME] [--dry-run] [-- OPTION...]
#
#   MBART=DIR           the published checkpoint: model.pt, dict.txt, sentence.bpe.model (default: encoders/mbart.cc25;
#                       https://dl.fbaipublicfiles.com/fairseq/models/mbart/mbart.cc25.v2.tar.gz)
#
#   EXPAND=1            keep mBART's own 250,001 pieces and add the language tokens, as in the paper (611M); to add more
#                       pieces, use swcm vocab-extend. By default, mBART's rows are transferred to the vocabulary
#                       of ENCODER (493M with CINO's vocabulary)
#
# Unlike XLM-SWCM, mBART-CM is trained with teacher forcing throughout and with fairseq's criterion, because two-pass scheduled
# sampling needs a model of this package. The default name is mbart-cm, or mbart-cm-expanded with EXPAND=1.
# Runs: RUNS/pretraining/NAME, RUNS/finetuning/TASK/NAME, RUNS/crosslingual/TASK/NAME.
set -euo pipefail
DEFAULT_NAME=mbart-cm
[ "${EXPAND:-0}" != 1 ] || DEFAULT_NAME=mbart-cm-expanded
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
own_data_refused

# mbart.cc25 is a pre-norm model.
ARCH=mbart_large MODEL=(--encoder-normalize-before --decoder-normalize-before --criterion label_smoothed_cross_entropy)
MAKE_MBART=()
if [ "$SCALE" = smoke ]; then
  MBART=${MBART:-$RUNS/mbart} MAKE_MBART=(examples/smoke/mbart.sh "$ENCODER" "$MBART")
  # shellcheck source=examples/smoke/mbart_size.sh
  . examples/smoke/mbart_size.sh
  MODEL+=("${MBART_SIZE[@]}")
fi
RUN=$RUNS/pretraining/$NAME MBART=${MBART:-encoders/mbart.cc25}

# need_mbart: check that the published checkpoint exists.
need_mbart() {
  [ ${#MAKE_MBART[@]} = 0 ] || show "${MAKE_MBART[@]}"
  need_file "$MBART/model.pt" "get it from https://dl.fbaipublicfiles.com/fairseq/models/mbart/mbart.cc25.v2.tar.gz"
}
if ((${EXPAND:-0})); then # run again with mBART's own vocabulary, under the expected names, instead of ENCODER's
  own=$RUNS/mbart-vocabulary
  if ((DRY_RUN)) || [ ! -e "$own/dict.txt" ]; then
    [ ${#MAKE_MBART[@]} = 0 ] || need_encoder
    need_mbart
    show mkdir -p "$own"
    show cp "$MBART/sentence.bpe.model" "$own/sentencepiece.bpe.model"
    show cp "$MBART/dict.txt" "$own/dict.txt"
  fi
  EXPAND=0 ENCODER=$own MBART=$MBART exec "$RECIPE" --name "$NAME" "$@"
fi
need_both() {
  need_encoder # for its vocabulary
  need_mbart
}
step --prepare need_both --writes "$RUN/start.pt" vocabulary \
  "transfer mBART's embedding rows to the vocabulary of $ENCODER" \
  swcm mbart "$MBART" --vocab "$ENCODER" --output "$RUN/start.pt"
choose_data pretraining
PREPARE=read_data pretrain_whole "${MODEL[@]}" --finetune-from-model "$RUN/start.pt"

OPTIONS=(--name "$NAME" --start "$RUN/checkpoint_last.pt")
((!DRY_RUN)) || OPTIONS+=(--dry-run)
for recipe in finetuning/summarization finetuning/reading_comprehension finetuning/translation \
  crosslingual/summarization crosslingual/reading_comprehension; do
  "examples/$recipe.sh" "${OPTIONS[@]}" -- --arch "$ARCH" "${MODEL[@]}" "${EXTRA[@]}"
done
finish "$(command_line swcm paper-report --runs "$RUNS")"
