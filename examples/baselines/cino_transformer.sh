#!/usr/bin/env bash
# Cino-Transformer: a decoder with as many normal layers as the encoder, initialized at random. Everything else is the same as
# for XLM-SWCM: model, pretraining and fine-tuning on the three Tibetan tasks (Su et al. 2025, Table 4).
#
#   examples/baselines/cino_transformer.sh [--dry-run]
#
# It is one of the ablations, which are described below.
set -euo pipefail
exec "$(dirname "$0")/../ablations/run.sh" "$@" cino-transformer
