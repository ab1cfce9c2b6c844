# shellcheck shell=bash disable=SC2034
# The beginning of every recipe, to be sourced: it changes to the root of the repository, and reads the recipe's options and
# checks its environment (swcm recipe-settings), which sets NAME, START, PART, LIST_ONLY, DRY_RUN, WORDS, EXTRA, PLUGIN,
# TRAINING_OPTIONS, SAMPLES_IN_MEMORY, MACHINES, MACHINE, PROCESSES, TRAIN and SHARE. RUN is the directory of the run.
RECIPE=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
RECIPE=${RECIPE#"$PWD"/}
command -v swcm >/dev/null || PATH=$PWD/.venv/bin:$PATH
settings=$(swcm recipe-settings "$RECIPE" "${DEFAULT_NAME:-xlm-swcm}" "$@") || exit
eval "$settings"

# fail MESSAGE [STATUS]: print one line on standard error and exit.
fail() {
  echo "error: $1" >&2
  exit "${2:-1}"
}
# command_line COMMAND...: a command, ready to type.
command_line() {
  local line
  printf -v line '%q ' "$@"
  printf '%s\n' "${line% }"
}
# show COMMAND...: print it and, unless this is a dry run, run it.
show() {
  ((!DRY_RUN)) || { command_line "$@" && return; }
  printf '$ %s\n' "$(command_line "$@")"
  "$@"
}
# step [OPTION VALUE]... NAME TITLE COMMAND...: run a command once in RUN, with the options of swcm step. --prepare FUNCTION is
# called first, if the command must be run; --in DIR is another directory than RUN.
step() {
  local options=() prepare='' place=$RUN status=0
  while [[ $1 == --* ]]; do
    case $1 in
      --prepare) prepare=$2 ;;
      --in) place=$2 ;;
      *) options+=("$1" "$2") ;;
    esac
    shift 2
  done
  if [ -n "$prepare" ]; then
    ((DRY_RUN)) || swcm step --check "${options[@]}" "$place" "$@" || status=$?
    case $status-$DRY_RUN in
      0-0) return ;;
      3-0 | 0-1) "$prepare" ;;
      *) exit "$status" ;;
    esac
  fi
  if ((DRY_RUN)); then
    printf '\n# %s: %s\n%s\n' "$1" "$2" "$(command_line "${@:3}")"
  else
    swcm step "${options[@]}" "$place" "$@"
  fi
}
# need_file FILE FIX: it must exist, unless nothing is run.
need_file() {
  ((DRY_RUN)) || [ -e "$1" ] || fail "$1 is missing; $2"
}
# resolve_device: DEVICE is cuda if that was asked for, or nothing was and there is a GPU; else cpu.
resolve_device() {
  [ "${DEVICE:-auto}" != auto ] ||
    DEVICE=$(python -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')
  [ "$DEVICE" = cuda ] || export CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # fairseq uses GPUs that it sees
}
