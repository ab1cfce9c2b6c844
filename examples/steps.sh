# shellcheck shell=bash disable=SC2034
# Steps of a run: announced, done once, and their commands shown. To be sourced; RUN is the directory of the run, and
# DRY_RUN=1 prints commands without running them.
DRY_RUN=0
# The plugin, for --user-dir: this checkout's, or the installed one.
# shellcheck disable=SC2034  # used by what sources this file
if [ -d swcm_fairseq ]; then PLUGIN=swcm_fairseq; else PLUGIN=$(swcm user-dir); fi

# The options of every training. AdamW is torch's, which also resumes exactly in half precision.
TRAINING_OPTIONS=(--optimizer fused_adamw --adam-betas '(0.9,0.999)' --clip-norm 1.0 --no-epoch-checkpoints
  --log-format json --log-interval 10)

# fail MESSAGE [STATUS]: print one line on standard error and exit.
fail() {
  echo "error: $1" >&2
  exit "${2:-1}"
}
# check_variables: validate every variable that the environment may set, before any of them is used. In arithmetic, bash
# would run a command contained in a value.
check_variables() {
  local variable direction directions
  for variable in GPUS MACHINES PER_GPU LAYERS LENGTH PIECES JOBS OMP_NUM_THREADS SLURM_CPUS_PER_TASK \
    SLURM_GPUS_ON_NODE SLURM_JOB_ID SLURM_JOB_NUM_NODES; do
    [[ ${!variable:-1} =~ ^[1-9][0-9]{0,8}$ ]] || fail "$variable=${!variable}: give a number of at least 1" 2
  done
  for variable in MACHINE SLURM_NODEID; do
    [[ ${!variable:-0} =~ ^(0|[1-9][0-9]{0,8})$ ]] || fail "$variable=${!variable}: give a number of at least 0" 2
  done
  for variable in RUNS OUT ENCODER MANIFEST DATA PRETRAINING_DATA TASK_DATA MBART CORPUS CLASSES TEXT RESULTS; do
    [[ ${!variable:-} != -* && ${!variable:-} != *$'\n'* ]] || fail "$variable=${!variable@Q}: give a path" 2
  done
  [[ ${SCALE:-full} =~ ^(full|smoke)$ ]] || fail "SCALE=$SCALE: use full or smoke" 2
  [[ ${PRECISION:-fp16} =~ ^(fp16|bf16|fp32)$ ]] || fail "PRECISION=$PRECISION: use fp16, bf16 or fp32" 2
  [[ ${ROWS:-aligned} =~ ^(aligned|pushed|mean|random)$ ]] || fail "ROWS=$ROWS: use aligned, pushed, mean or random" 2
  [[ ${DEVICE:-auto} =~ ^(auto|cpu|cuda)$ ]] || fail "DEVICE=$DEVICE: use auto, cpu or cuda" 2
  for variable in COMPARE EXPAND; do
    [[ ${!variable:-0} =~ ^[01]$ ]] || fail "$variable=${!variable}: use 0 or 1" 2
  done
  [[ ${SEEDS:-1} =~ ^[0-9]{1,9}(\ [0-9]{1,9})*$ ]] || fail "SEEDS=$SEEDS: give numbers, such as 1 2 3" 2
  [[ ${LANGUAGES:-bo} =~ ^[a-z_]+(\ [a-z_]+)*$ ]] || fail "LANGUAGES=$LANGUAGES: give codes, such as bo ug" 2
  for variable in DENSITIES WEIGHTS LAMBDAS; do
    [[ ${!variable:-1} =~ ^(0?\.[0-9]+|1|1\.0)(\ (0?\.[0-9]+|1|1\.0))*$ ]] ||
      fail "$variable=${!variable}: give numbers up to 1, separated by spaces, such as 0.2 1.0" 2
  done
  [[ ${TASK_CORPUS:-a} =~ ^[A-Za-z0-9_-]+$ ]] || fail "TASK_CORPUS=$TASK_CORPUS: give the name of a corpus" 2
  [[ ${GENERATE:-} != *$'\n'* ]] || fail "GENERATE=${GENERATE@Q}: give options on one line" 2
  [[ ${OMP_WAIT_POLICY:-PASSIVE} =~ ^(ACTIVE|PASSIVE)$ ]] ||
    fail "OMP_WAIT_POLICY=$OMP_WAIT_POLICY: use ACTIVE or PASSIVE" 2
  [[ ${RENDEZVOUS:-first:29500} =~ ^[^[:space:]]+:[0-9]{1,5}$ ]] ||
    fail "RENDEZVOUS=$RENDEZVOUS: give the name of machine 0 and a free port on it, such as first:29500" 2
  read -ra directions <<<"${DIRECTIONS:-}"
  for direction in "${directions[@]}"; do
    [[ $direction =~ ^[A-Za-z0-9_]+-[A-Za-z0-9_]+$ ]] ||
      fail "DIRECTIONS=$DIRECTIONS: write SOURCE-TARGET, several separated by spaces" 2
  done
}
# command_line COMMAND...: a command, ready to type.
command_line() {
  local line
  printf -v line '%q ' "$@"
  printf '%s\n' "${line% }"
}
# announce COMMAND...: print it; false if it must not be run (--dry-run).
announce() {
  if ((DRY_RUN)); then
    command_line "$@"
    return 1
  fi
  printf '$ %s\n' "$(command_line "$@")"
}
# show COMMAND...: print it and run it.
show() {
  announce "$@" || return 0
  "$@"
}
# show_logged LOG COMMAND...: print it and run it with its output in LOG.
show_logged() {
  announce "${@:2}" || return 0
  logged "$@"
}
# logged LOG COMMAND...: run it with its output in LOG. If it fails, the terminal gets its error line or the end of
# LOG, and the script ends with its exit status.
logged() {
  local status=0
  "${@:2}" >"$1" 2>&1 || status=$?
  ((status)) || return 0
  grep -m 1 -o 'error: .*' "$1" >&2 || {
    tail -n 15 "$1"
    echo "the whole log is $1"
  } >&2
  exit "$status"
}

# finished STEP: was it done before, in this run?
finished() {
  ((!DRY_RUN)) && [ -e "$RUN/done/$1" ] && echo "[$1] done before, skipped"
}
# step STEP TITLE: announce it.
step() {
  if ((DRY_RUN)); then
    printf '\n# %s: %s\n' "$1" "$2"
  else
    printf '\n[%s] %s\n' "$1" "$2"
  fi
}
# mark STEP: record that it is done.
mark() {
  ((DRY_RUN)) || { mkdir -p "$RUN/done" && touch "$RUN/done/$1"; }
}
# once STEP TITLE COMMAND...: a step, unless it was done before.
once() {
  finished "$1" && return
  step "$1" "$2"
  "${@:3}"
  mark "$1"
}
# need_file FILE FIX: it must exist, unless nothing is run.
need_file() {
  ((DRY_RUN)) || [ -e "$1" ] || fail "$1 is missing; $2"
}
# resolve_device: DEVICE is cuda if that was asked for, or nothing was and there is a GPU; else cpu.
resolve_device() {
  [ "${DEVICE:-auto}" != auto ] ||
    DEVICE=$(python -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')
}

# --- one process at a time ---

BUSY=75 # exit status if another process holds the lock; EX_TEMPFAIL of sysexits.h
# locked LOCK MESSAGE COMMAND...: run COMMAND while holding LOCK, on this machine and on those that share its file system.
# If another process holds it, print MESSAGE and wait; without a MESSAGE, return BUSY.
locked() {
  mkdir -p "$(dirname "$1")"
  (
    flock -n 9 || {
      [ -n "$2" ] || exit "$BUSY"
      echo "waiting: $2"
      flock 9
    }
    "${@:3}"
  ) 9>"$1"
}

# --- options ---

# description: the comment at the head of the recipe.
description() {
  awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$RECIPE"
}
# usage: the recipe's own description, then the options and variables of all recipes.
usage() {
  description
  [[ " $ACCEPTED " == *" -- "* ]] || return 0
  cat <<'TEXT'

Options of every recipe:
  --name NAME         name of the system and of its directory under RUNS (default: xlm-swcm)
  --dry-run           print the commands without running them; needs no data
  --help              print this text
  -- OPTION...        further options for fairseq-train; they override the recipe's own
TEXT
  [[ " $ACCEPTED " != *" --start "* ]] || cat <<'TEXT'
  --start CHECKPOINT  from pretraining (default: RUNS/pretraining/xlm-swcm/checkpoint_last.pt); fine-tuning also takes the
                      directory of an encoder: no pretraining at all
TEXT
  cat <<'TEXT'

Environment of every recipe:
  SCALE=full|smoke    the paper's sizes, or a minute on a CPU with the sample data, which only shows that everything runs
  RUNS=DIR            where runs are kept (default: runs; smoke: runs/smoke)
  ENCODER=DIR         the pretrained encoder and its vocabulary (default: encoders/cino-base-v2); with another encoder, also
                      give --name, and use the same ENCODER in later steps: ids belong to its vocabulary
  MANIFEST=FILE       corpora to read, see swcm run --help (default: examples/manifests/...); the
                      recipe sets the output and work directories and the vocabulary
  DATA=DIR            a finished data directory, instead of MANIFEST
  DIRECTIONS="S-T .." directions that fine-tuning evaluates, such as "kk-kk zh-zh" (default: the recipe's languages); a
                      language that scoring does not know needs a row in swcm_fairseq/data/languages.py
  GPUS=N              GPUs of this machine; the total batch does not change
  PER_GPU=N           maximum number of samples at a time on a GPU (default: as its memory allows, in pretraining 300 on
                      141 GB, 150 on 80 GB, otherwise 75); fewer need less memory, and the total batch does not change
  PRECISION=...       fp16, bf16 or fp32 (default: fp16; smoke: fp32)

Paths are relative to the root of the repository. You can interrupt a recipe at any time: the same command continues,
finished steps are skipped, and a training continues from its last checkpoint as if it had never stopped.
TEXT
}

# The options that a recipe accepts (WORDS: words that are not options) and their values; a recipe may set others before it
# calls parse.
NAME=xlm-swcm START='' PART=1 PARTS=1 LIST=0 WORDS=() EXTRA=() ACCEPTED='--name --dry-run --help --'
# parse OPTION...: read the options that the recipe accepts.
parse() {
  while [ $# -gt 0 ]; do
    [[ " $ACCEPTED -h " == *" $1 "* || ($1 != -* && $ACCEPTED == *WORDS*) ]] ||
      fail "$1: unknown option; options for fairseq-train come after --, see $RECIPE --help" 2
    case $1 in
      --name)
        [[ ${2:-} =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || fail "--name ${2:-}: give letters, digits, . _ and -" 2
        NAME=$2
        shift
        ;;
      --start)
        [ -n "${2:-}" ] || fail "--start: a checkpoint is missing; see $RECIPE --help" 2
        START=$2
        shift
        ;;
      --part)
        [[ ${2:-} =~ ^([1-9][0-9]*)/([1-9][0-9]*)$ ]] || fail "--part ${2:-}: write I/N, e.g. 2/4" 2
        PART=${BASH_REMATCH[1]} PARTS=${BASH_REMATCH[2]}
        ((PART <= PARTS)) || fail "--part $2: there are only $PARTS parts" 2
        shift
        ;;
      --list) LIST=1 ;;
      --dry-run) DRY_RUN=1 ;;
      --help | -h)
        usage
        exit 0
        ;;
      --)
        EXTRA=("${@:2}")
        return
        ;;
      *) WORDS+=("$1") ;;
    esac
    shift
  done
}
