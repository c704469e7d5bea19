# Adding up what the runners say. Every stage leaves "passed failed name" in a folder of this run; the sum is the last line.

results_begin() {
  mkdir -p "$BUILD/logs"
  RESULTS=$(mktemp -d)
  REPORTS=$(mktemp -d)
  trap 'rm -rf "$RESULTS" "$REPORTS"' EXIT
}

# result NAME PASSED FAILED
result() {
  printf '%s %s %s\n' "$2" "$3" "$1" >"$RESULTS/$1"
  printf '   %-28s %5s passed, %s failed\n' "$1" "$2" "$3" >&2
}

# ctest's log: a program's own closing lines count; a program without one, or that died before it, counts as one.
count_ctest() {
  awk '
    function close_test() {
      if (!open) return
      if (ok) passed += own ? own_passed : 1
      else { passed += own_passed; failed += own_failed ? own_failed : 1 }
      if (ok) failed += own_failed
      open = 0
    }
    /^[0-9]+\/[0-9]+ Testing: / { close_test(); open = 1; ok = own = own_passed = own_failed = 0 }
    /^[0-9]+ passed, [0-9]+ failed$/ { own = 1; own_passed += $1; own_failed += $3 }
    /^Test Passed\.$/ { ok = 1 }
    END { close_test(); print passed + 0, failed + 0 }' "$1"
}

# The TAP of node --test: its closing "# pass N", "# fail N" and "# cancelled N".
count_tap() {
  awk '
    /^# pass [0-9]+$/ { passed = $3; seen = 1 }
    /^# (fail|cancelled) [0-9]+$/ { failed += $3 }
    END { if (!seen) failed += 1; print passed + 0, failed + 0 }' "$1"
}

# Prints the sum; fails when anything failed or nothing ran. A number under a name nobody knows is a failure, too.
results_end() {
  local passed failed strays
  strays=$(report_strays)
  [ -z "$strays" ] || { say "reported, but not among the keys of cmake/dev/report.sh:"; sort -u <<<"$strays" >&2; result report 0 1; }
  read -r passed failed < <(cat "$RESULTS"/* 2>/dev/null | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
  if [ "$failed" -gt 0 ]; then
    say "failed in: $(awk '$2 > 0 { print $3 }' "$RESULTS"/* | tr '\n' ' ')(logs are in build/logs)"
  fi
  printf '%s passed, %s failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
