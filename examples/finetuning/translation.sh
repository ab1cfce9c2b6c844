#!/usr/bin/env bash
# Fine-tuning for translation between Chinese and Tibetan, in both directions with one model
# (Su et al. 2025, section 4.2.1, Table 1).
#
#   examples/finetuning/translation.sh [--name NAME] [--start CHECKPOINT] [--dry-run] [-- OPTION...]
#
# 50 epochs with 200 samples per update; the checkpoint is chosen by the mean ROUGE-L of both directions on the validation set.
# Run: RUNS/finetuning/translation/NAME; scores are in scores/zh-bo.json and scores/bo-zh.json.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
finetune finetuning translation "zh-bo bo-zh"
