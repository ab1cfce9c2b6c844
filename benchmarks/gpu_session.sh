#!/usr/bin/env bash
# Run all measurements on a GPU, in pieces of less than ten minutes, the most important first.
#
#   benchmarks/gpu_session.sh OUT                    # all pieces, one after the other
#   benchmarks/gpu_session.sh OUT chunks decoding    # only these pieces
#   SCALE=smoke benchmarks/gpu_session.sh OUT        # at a tiny size on a CPU: only checks that everything runs
#
# Each piece writes OUT/PIECE.log and, if it succeeds, OUT/PIECE.done and its report. Finished pieces are not repeated, so
# the same command continues after an interruption. If a piece fails, the script reports it and continues with the next.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
PIECES=(smoke resume chunks aligned attention compile micro sampling graphs decoding pretraining)
[ $# -gt 0 ] || { echo "usage: benchmarks/gpu_session.sh OUT [PIECE...], with pieces ${PIECES[*]}" >&2; exit 2; }
OUT=$1
shift
mkdir -p "$OUT" || exit 1
OUT=$(cd "$OUT" && pwd)
for piece in "$@"; do
  [[ " ${PIECES[*]} " == *" $piece "* ]] || { echo "error: $piece: no such piece; the pieces are ${PIECES[*]}" >&2; exit 2; }
done
PYTHON=${PYTHON:-python}
case ${SCALE:-full} in
  full)
    SIZE=(--device cuda --arch xlm_swcm_base --vocabulary 135364 --tokens 256 --precision bf16 --rounds 3 --steps 5)
    SENTENCES=75 ROWS="495 2048 4096 8192" MICRO="75 150 300" LIMIT=${LIMIT:-570}
    SMOKE=(--updates 100) RESUME=() COMPILE=()
    ATTENTION=(--device cuda --precision bf16 --sentences 75 --tokens 256 --heads 12 --width 64)
    DECODING=(--device cuda --arch xlm_swcm_base --vocabulary 135364 --precision bf16 --batches 1 32 --words 64 --rounds 2)
    PRETRAINING=(--device cuda --arch xlm_swcm_base --vocabulary 135359 --sentences 150 --update-freq 4 --tokens 256
      --precision bf16 --optimizer fused_adamw --updates 300 --save-interval 100)
    ;;
  smoke)
    SIZE=(--device cpu --arch xlm_swcm_tiny --vocabulary 200 --tokens 8 --rounds 1 --steps 1)
    SENTENCES=2 ROWS="4 8" MICRO="1 2" LIMIT=${LIMIT:-3600}
    SMOKE=(--precision fp32 --device cpu --arch xlm_swcm_tiny --vocabulary 500 --lr 2e-3 --updates 60)
    COMPILE=(--backend aot_eager) # at any size, inductor takes two minutes of processor time for a hundred kernels
    RESUME=(--precision fp32 --device cpu --arch xlm_swcm_tiny --vocabulary 500 --updates 4 --pairs 40)
    ATTENTION=(--device cpu --steps 1)
    DECODING=(--arch xlm_swcm_tiny --vocabulary 200 --tokens 12 --words 3 --rounds 1 --beams 2 --batches 2)
    PRETRAINING=(--vocabulary 200 --sentences 2 --tokens 16 --updates 4 --warm-up 1 --save-interval 2)
    ;;
  *) echo "error: SCALE=$SCALE: use full or smoke" >&2; exit 2 ;;
esac

step() { "$PYTHON" benchmarks/train_step.py "${SIZE[@]}" --output "$1" "${@:2}"; }
ours() { step "$1" --sentences "$SENTENCES" --contestants ours "${@:2}"; }

# --- the pieces ---

# fp16 and bf16 train with two passes; amp is refused; the trained model generates.
smoke() { "$PYTHON" benchmarks/gpu_smoke.py "$OUT/smoke" "${SMOKE[@]}"; }
# An interrupted training continues bit for bit; generation runs; --amp is refused.
resume() { "$PYTHON" benchmarks/gpu_resume.py "$OUT/resume" "${RESUME[@]}"; }
chunks() {
  local rows
  for rows in $ROWS; do ours "$OUT/chunks/$rows" --chunk-rows "$rows" || return; done
}
aligned() {
  local alignment
  for alignment in 1 64; do ours "$OUT/aligned/$alignment" --alignment "$alignment" || return; done
}
attention() { "$PYTHON" benchmarks/attention_kernels.py "${ATTENTION[@]}" --output "$OUT/attention"; }
compile() {
  step "$OUT/compile" --sentences "$SENTENCES" "${COMPILE[@]}" --contestants "stock fairseq, compiled layers" "ours, compiled layers"
}
micro() {
  local sentences
  for sentences in $MICRO; do step "$OUT/micro/$sentences" --sentences "$sentences" --contestants ours || return; done
}
sampling() { step "$OUT/sampling" --sentences "$SENTENCES" --contestants "ours, scheduled sampling"; }
# Steps replayed as CUDA graphs generate the same text; on a CPU, only steps on static buffers are tested.
graphs() { "$PYTHON" -m pytest -q -rs tests/tasks/test_beam_search.py -k "static or graphs"; }
decoding() { "$PYTHON" benchmarks/decoding.py "${DECODING[@]}" --output "$OUT/decoding"; }
pretraining() {
  local teacher
  for teacher in 1 0; do # teacher forcing throughout, and scheduled sampling throughout
    "$PYTHON" benchmarks/pretraining_run.py "$OUT/pretraining/$teacher" "${PRETRAINING[@]}" --teacher-forcing "$teacher" \
      --output "$OUT/pretraining/$teacher" || return
  done
}

# --- running the pieces one after the other ---

failed=()
set -m # each piece is a process group, which can be killed as a whole
for piece in "${@:-${PIECES[@]}}"; do
  [ ! -e "$OUT/$piece.done" ] || { echo "$piece: done before"; continue; }
  began=$SECONDS
  ( "$piece" ) >"$OUT/$piece.log" 2>&1 &
  worker=$!
  ( sleep "$LIMIT" && kill -- "-$worker" ) 2>/dev/null &
  watch=$!
  disown "$watch" # no message from the shell when it is killed
  if wait "$worker"; then
    touch "$OUT/$piece.done"
    echo "$piece: $((SECONDS - began)) s"
  else
    failed+=("$piece")
    echo "$piece: FAILED after $((SECONDS - began)) s; see $OUT/$piece.log"
  fi
  kill -- "-$watch" 2>/dev/null
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}; to repeat them, run the same command" >&2; exit 1; }
