#!/usr/bin/env bash
# Fine-tuning for translation between Chinese and Tibetan, both ways in one model (Su et al. 2025, section 4.2.1, Table 1).
#
#   examples/finetuning/translation.sh [--name NAME] [--start CHECKPOINT] [--dry-run] [-- OPTION...]
#
#   --start CHECKPOINT  of pretraining (default: RUNS/pretraining/xlm-swcm/checkpoint_last.pt), or the directory of an
#                       encoder: no pretraining at all
#
# 50 epochs of 200 samples an update; the checkpoint is chosen by the mean ROUGE-L of both ways on the validation set.
# Run: RUNS/finetuning/translation/NAME, its scores in scores/zh-bo.json and scores/bo-zh.json.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
finetune finetuning translation "zh-bo bo-zh" "$@"
