#!/usr/bin/env bash
# Checks the models of this folder with Spin: the rules hold, and each fault that a -D puts in is found.
# run.sh [--long]: with the runs that take most of a minute or more.
set -euo pipefail
cd "$(dirname "$0")"

for tool in spin gcc; do
  command -v "$tool" >/dev/null || {
    echo "$tool is not installed. On Debian and Ubuntu: apt-get install spin gcc" >&2
    exit 3
  }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# check holds|found MODEL [-D…]: what Spin must say of this model with these macros.
check() {
  local expected=$1 model=$2 source=$PWD/$2.pml began result
  shift 2
  rm -rf "$work/run" && mkdir "$work/run"
  began=$(date +%s.%N)
  (
    cd "$work/run"
    spin -a "$@" "$source" >spin.log 2>&1
    gcc -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=256 -DMEMLIM=6000 -o pan pan.c
    ./pan -m100000 -w22 >out
  ) || { echo "$model $*: spin or gcc failed" >&2; cat "$work/run/spin.log" >&2; exit 1; }
  result=$(awk '
    /errors:/ { match($0, /reached [0-9]+/); depth = substr($0, RSTART + 8, RLENGTH - 8); errors = $NF }
    /states, stored/ { states = $1 }
    /assertion violated/ { violated = 1 }
    /max search depth too small|out of memory/ { cut = 1 }
    END {
      verdict = cut || errors == "" ? "unfinished" : errors == 0 ? "holds" : violated ? "found" : "other error"
      print verdict, states, depth
    }' "$work/run/out")
  report "$expected" "$(date +%s.%N)" "$began" "$model $*" $result
}

report() {
  local expected=$1 now=$2 began=$3 name=$4 verdict=$5 states=${6:-0} depth=${7:-0} mark=' '
  if [ "$verdict" != "$expected" ]; then mark='!' failures=$((failures + 1)); fi
  printf '%s %-66s %-10s %10s states, depth %5s, %6.1f s\n' "$mark" "$name" "$verdict" "$states" "$depth" \
    "$(awk "BEGIN { print $now - $began }")"
}

check holds weeks
check holds weeks -DANCHOR_BLOCKS=6
check found weeks -DANCHOR_BLOCKS=6 -DWINDOW_PAST_NEXT
check found weeks -DANCHOR_BLOCKS=6 -DLISTED_BEFORE_F
check found weeks -DLAST_COUNTS

check holds lists
check holds lists -DKEYS_KEPT
check found lists -DNO_WAY_OUT
check found lists -DKEYS_KEPT -DNO_CARRYING_ON
check found lists -DKEYS_KEPT -DNO_CARRYING_ON -DNO_WAY_OUT -DMOST_PENDING=50
check found lists -DKEYS_KEPT -DSNAPSHOTS_FORGOTTEN -DMOST_PENDING=50

check holds proposals
check found proposals -DROWS_ONE_BY_ONE
check found proposals -DNOBODY_GIVEN_UP -DR=4
check found proposals -DONE_VOTE -DR=2

if [ "${1:-}" = --long ]; then
  check holds lists -DSEATS=5
  check holds proposals -DR=4
  check holds proposals -DC=7 -DR=2
fi

if [ "$failures" -gt 0 ]; then
  echo "$failures of the runs ended otherwise than expected (marked !)" >&2
  exit 1
fi
