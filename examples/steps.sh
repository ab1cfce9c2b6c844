# shellcheck shell=bash
# Steps of a run: announced, done once, and their commands shown. Sourced; the directory of the run is in RUN, and with
# DRY_RUN=1 commands are printed and not run.
DRY_RUN=0

# fail MESSAGE [STATUS]: one line on standard error, and the end.
fail() {
  echo "error: $1" >&2
  exit "${2:-1}"
}
# command_line COMMAND...: a command as it can be typed.
command_line() {
  local line
  printf -v line '%q ' "$@"
  printf '%s\n' "${line% }"
}
# announce COMMAND...: print it; false if that is all that is wanted (--dry-run).
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
# logged LOG COMMAND...: run it; what it says goes to LOG. If it fails, the terminal gets its error line or the end of
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

# finished STEP: has it been done in this run?
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
# mark STEP: it is done.
mark() {
  ((DRY_RUN)) || { mkdir -p "$RUN/done" && touch "$RUN/done/$1"; }
}
# need_file FILE MEND: it must be there, unless nothing is run.
need_file() {
  ((DRY_RUN)) || [ -e "$1" ] || fail "$1 is missing; $2"
}
