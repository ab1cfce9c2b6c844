#!/usr/bin/env bash
# Repeat the measurements that depend on the speed of the CPU (15 minutes on two quiet cores), and update benchmarks/README.md.
#
#   make reports                                     # with transformers installed, to include Hugging Face
#   benchmarks/cpu_reports.sh [OUT] [PIECE...]       # only these pieces; reports go to OUT (benchmarks/results)
#   SCALE=smoke benchmarks/cpu_reports.sh OUT        # at a tiny size: only checks that everything runs
#
# If a piece fails, the script reports it and continues with the next; the exit status is then 1.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
PIECES=(fp32 bf16 int8 train criterion padding masked_lm)
OUT=${1:-benchmarks/results}
[ $# -eq 0 ] || shift
for piece in "$@"; do
  [[ " ${PIECES[*]} " == *" $piece "* ]] || { echo "error: $piece: no such piece; the pieces are ${PIECES[*]}" >&2; exit 2; }
done
PYTHON=${PYTHON:-python}
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} # this package is not installed in .venv-transformers
README=benchmarks/README.md
case ${SCALE:-full} in
  full)
    DECODING=(--beams 5 --batches 4 --rounds 2) TRAIN=(--rounds 2) CRITERION=(--rounds 1) PADDING=() MASKED_LM=()
    ;;
  smoke)
    [ "$OUT" != benchmarks/results ] || { echo "error: SCALE=smoke: name a directory for the reports" >&2; exit 2; }
    SIZE=(--arch xlm_swcm_tiny --vocabulary 200 --rounds 1)
    DECODING=("${SIZE[@]}" --tokens 12 --words 3 --beams 5 --batches 4)
    TRAIN=("${SIZE[@]}" --tokens 8 --sentences 2)
    CRITERION=("${SIZE[@]}" --encoder-layers 3 --tokens 8 --sentences 2)
    PADDING=(--samples 400 --batch-size 16)
    MASKED_LM=(--layers 1 --width 64 --unpruned 200 --vocabulary 100 --language 40 --sentences 2 --tokens 8 --rounds 1)
    mkdir -p "$OUT" && cp "$README" "$OUT/README.md" || exit 1
    README=$OUT/README.md
    ;;
  *) echo "error: SCALE=$SCALE: use full or smoke" >&2; exit 2 ;;
esac

report() { "$PYTHON" "benchmarks/$1.py" "${@:2}" --output "$OUT"; }
measure() {
  case $1 in
    fp32 | bf16 | int8) report decoding "${DECODING[@]}" --precision "$1" ;;
    train) report train_step "${TRAIN[@]}" ;;
    criterion) report criterion "${CRITERION[@]}" ;;
    padding) report padding "${PADDING[@]}" ;;
    masked_lm) report masked_lm "${MASKED_LM[@]}" ;;
  esac
}

failed=()
for piece in "${@:-${PIECES[@]}}"; do
  began=$SECONDS
  if measure "$piece" >&2; then
    echo "$piece: $((SECONDS - began)) s"
  else
    failed+=("$piece")
    echo "$piece: FAILED after $((SECONDS - began)) s"
  fi
done
"$PYTHON" benchmarks/summary.py --results "$OUT" --readme "$README" || exit 1
[ ${#failed[@]} -eq 0 ] || { echo "error: failed: ${failed[*]}" >&2; exit 1; }
