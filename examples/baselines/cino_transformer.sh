#!/usr/bin/env bash
# Cino-Transformer: a decoder of as many ordinary layers as the encoder has, started at random, and otherwise the same
# model, pretraining and fine-tuning on the three Tibetan tasks as XLM-SWCM's (Su et al. 2025, Table 4).
#
#   examples/baselines/cino_transformer.sh [--dry-run]
#
# It is one of the ablations; their description follows.
set -euo pipefail
exec "$(dirname "$0")/../ablations/run.sh" "$@" cino-transformer
