# What a run did, in numbers: tests append "KEY N" to the file that OMEN_TEST_REPORT names (tests/support/report.h), one
# file a stage; programs in WebAssembly print "REPORT KEY N" instead. The numbers are added up over all stages.

REPORT_KEYS='crash_images two_level_images fault_calls corruption_cases simulation_seeds kills browser_kills terminates fuzz_execs negative_controls store_branch_coverage'

# report_stage NAME: from here on numbers belong to this stage.
report_stage() { export OMEN_TEST_REPORT=$REPORTS/$1; }

# report_collect LOG: the lines of programs that can only print them. They may follow ctest's or another's prefix.
report_collect() { sed -n 's/^\(.*[^[:alnum:]_]\)\{0,1\}REPORT \([a-z_]\{1,\} [0-9]\{1,\}\)$/\2/p' "$1" >>"$OMEN_TEST_REPORT"; }

# Lines that are no "KEY N" of a known key, one a line; none when all is well.
report_strays() { { cat "$REPORTS"/* 2>/dev/null || true; } | awk -v keys=" $REPORT_KEYS " 'NF != 2 || index(keys, " " $1 " ") == 0 || $2 !~ /^[0-9]+(\.[0-9]+)?$/'; }

# report_json SECONDS: one object on one line. What was not measured in this run is null.
report_json() {
  { cat "$REPORTS"/* 2>/dev/null || true; } | awk -v keys="$REPORT_KEYS" -v seconds="$1" '
    { sum[$1] += $2; seen[$1] = 1 }
    END {
      n = split(keys, key, " ")
      printf "{"
      for (i = 1; i <= n; i++) {
        if (!seen[key[i]]) value = "null"
        else if (sum[key[i]] == int(sum[key[i]])) value = sprintf("%d", sum[key[i]])
        else value = sprintf("%.2f", sum[key[i]])
        printf "\"%s\":%s,", key[i], value
      }
      printf "\"seconds\":%d}\n", seconds
    }'
}
