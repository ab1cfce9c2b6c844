#!/usr/bin/env bash
# Cino-Transformer: a decoder with as many normal layers as the encoder, initialized at random. Everything else in the model,
# pretraining and fine-tuning on the three Tibetan tasks is the same as for XLM-SWCM (Su et al. 2025, Table 4).
#
#   examples/baselines/cino_transformer.sh [--dry-run]
#
# It is one of the ablations, whose description follows.
set -euo pipefail
exec "$(dirname "$0")/../ablations/run.sh" "$@" cino-transformer
