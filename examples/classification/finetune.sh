#!/usr/bin/env bash
# Text classification with an encoder (CINO, Yang et al. 2022, section 5 and Table 9): fine-tune with several seeds, test
# in every language of the data set, and add the scores to the paper's Tables 3 to 5.
#
#   examples/classification/finetune.sh SET [--name NAME] [--dry-run] [-- OPTION...]
#
# SET is tncc (Tibetan; the checkpoint is chosen on the dev set), ynat (Korean; likewise), wcm (trained and chosen on Chinese)
# or cmnews (trained and chosen on the minority languages). CORPUS is the directory of the published files (default:
# corpora/SET).
# CLASSES lists different classes, for your own data set in the same layout. ENCODER is any encoder directory: converted,
# extended without further training (the paper's XLM-R-Ext: --name xlm-r-ext), or trained further. SIZE=large uses the settings
# for large models (default: base). SEEDS lists the seeds of the runs (default: "1 2 3 4 5"). LENGTH is the maximum length of a
# text (default: 512).
# Runs: RUNS/classification/SET/NAME/seed-N; predictions are in the folder "test", and for TNCC also in "dev".
set -euo pipefail
DEFAULT_NAME=cino
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"

SET=${WORDS[*]:-} SEEDS=${SEEDS:-1 2 3 4 5} LENGTH=${LENGTH:-512} METRIC=macro_f1
[ -z "${MANIFEST:-}" ] || fail "MANIFEST: this recipe reads CORPUS; see $RECIPE --help" 2
case $SET-${SIZE:-base} in # Table 9
  tncc-base) RATE=5e-5 EPOCHS=40 ;;
  tncc-large) RATE=3e-5 EPOCHS=40 ;;
  ynat-base) RATE=3e-5 EPOCHS=3 ;;
  ynat-large) RATE=2e-5 EPOCHS=3 ;;
  wcm-*) RATE=1e-5 EPOCHS=20 ;;
  cmnews-*) RATE=3e-5 EPOCHS=5 METRIC=macro_f1_mean ;; # over the minority languages
  *) fail "give one of the sets tncc, wcm, cmnews and ynat; see $RECIPE --help" 2 ;;
esac
if [ "$SCALE" = smoke ]; then
  EPOCHS=2 SEEDS='1 2' LENGTH=40
  [ "$SET" != wcm ] || CORPUS=${CORPUS:-examples/smoke/data/wcm} CLASSES=${CLASSES:-spreadsheet,text,programming}
  [ -n "${CORPUS:-}" ] || fail "SCALE=smoke has data for wcm only; give CORPUS" 2
fi
RUN=$RUNS/classification/$SET/$NAME CORPUS=${CORPUS:-corpora/$SET}

need_encoder
encoder_as_checkpoint
if [ -z "${DATA:-}" ]; then
  DATA=$DATA_BIN/classification-$SET
  step --in "$DATA" --reads "$CORPUS" --wait "another recipe is making $DATA" data "labeled text -> ids" \
    swcm classification "$SET" "$CORPUS" --vocab "$ENCODER" --output "$DATA" ${CLASSES:+--classes "$CLASSES"}
fi
# predict SPLIT FOLDER: write the labels of a split's texts.
predict() {
  local checkpoint=$RUN/seed-$SEED/checkpoint_best.pt
  step --reads "$checkpoint" "$2-$SEED" "predict the labels of the $2 texts" \
    swcm classify "$DATA" --path "$checkpoint" --split "$1" --output "$RUN/seed-$SEED/$2" "${DEVICE[@]}"
}
batch 32 32
UNUSED=()
((PROCESSES == 1)) || UNUSED=(--find-unused-parameters) # the language model's head
for SEED in $SEEDS; do
  training "train-$SEED" "fine-tuning with seed $SEED; the checkpoint with the best $METRIC on the validation set is kept" \
    "$RUN/seed-$SEED" --task multilingual_classification --criterion multilingual_classification \
    --arch roberta_base --finetune-from-model "$RUN/start.pt" --tokens-per-sample "$LENGTH" --weight-decay 0 \
    --lr "$RATE" --lr-scheduler warmup_linear --warmup-init-lr 0 --warmup-epochs "$((EPOCHS / 10)).$((EPOCHS % 10))" \
    --max-epoch "$EPOCHS" "${BEST_BY[@]}" "$METRIC" "${UNUSED[@]}"
  predict test test
  [ "$SET" != tncc ] || predict valid dev # Table 3 has both
done
show swcm classification-report --runs "$RUNS" --output "$RUNS/classification/report.md"
finish "$(command_line swcm score --labels "$(seq -s, 0 15)" \
  --ref "$RUN/seed-1/test/LANG.labels" --hyp "$RUN/seed-1/test/LANG.predictions")"
