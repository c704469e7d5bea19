# ./dev test: stages, each a function stage_NAME, run in this order. A stage that breaks counts as one failure and the
# others go on, so one run shows everything there is to show.

# What the JavaScript tests need is built first: while they wait for browsers, the next presets are built beside them.
STAGES='setup native-gcc wasm wasm-relaxed js js-tests browser examples cli golden tidy install native-clang asan tsan arm64 wasi-command emscripten fuzz'
DEEP_STAGES='msan coverage'

# ctest_preset PRESET [ctest options]
ctest_preset() {
  local preset=$1 log=$BUILD/logs/ctest-$1.log last=$BUILD/$1/Testing/Temporary/LastTest.log passed failed
  shift
  rm -f "$last"
  say "C tests of $preset"
  ctest --preset "$preset" -j "$JOBS" "$@" >"$log" 2>&1 || sed -n '/\*\*\*Failed/,$p;/\*\*\*Exception/,$p' "$log" | head -80 >&2
  [ -f "$last" ] || { say "no tests in $preset"; result "$preset" 0 1; return 0; }
  report_collect "$last"
  read -r passed failed < <(count_ctest "$last")
  result "$preset" "$passed" "$failed"
}

# build_and_ctest PRESET: build failures count as one.
build_and_ctest() {
  need_for_presets "$1"
  if built "$1"; then ctest_preset "$@"; else result "$1" 0 1; fi
}

# build_only PRESET FILE: the build is the test; the file must be there afterwards.
build_only() {
  need_for_presets "$1"
  if built "$1" && [ -f "$BUILD/$1/$2" ]; then result "$1" 1 0; else result "$1" 0 1; fi
}

# node_tests NAME FILES...: node --test with a readable report, counted from TAP.
node_tests() {
  local name=$1 tap=$BUILD/logs/$1.tap passed failed
  shift
  [ $# -gt 0 ] || { say "no tests for $name"; result "$name" 0 1; return 0; }
  say "$name"
  rm -f "$tap"
  # A file that hangs is ended, and counted as failed, after twenty minutes.
  node --no-warnings --test --test-timeout=1200000 --test-concurrency="$JOBS" --test-reporter=tap --test-reporter-destination="$tap" \
    --test-reporter=spec --test-reporter-destination="$BUILD/logs/$name.log" "$@" ||
    sed -n '/failing tests/,$p' "$BUILD/logs/$name.log" | head -120 >&2
  read -r passed failed < <(count_tap "$tap")
  result "$name" "$passed" "$failed"
}

# test_files FOLDER: *.test.mjs and the like below it, but nothing of node_modules or fixtures.
test_files() {
  [ ! -d "$1" ] || find "$1" \( -name node_modules -o -name fixtures \) -prune -o \
    -regex '.*[._]test\.\(m?js\|cjs\)' -print | sort
}

# Set-up is a stage too: a package that is not to be had is one failure, and the rest still runs.
stage_setup() {
  setup_all
  result setup 1 0
}

stage_native-gcc() { build_and_ctest native-gcc; }
stage_native-clang() { build_and_ctest native-clang; }
# What these build of the tests is chosen in CMakePresets.json: OMEN_TEST_LABELS, OMEN_TEST_ONLY, OMEN_TEST_SKIP. Those that arm64 and emscripten leave
# out take long and ask nothing of the platform that others do not: WASI has the same 32 bits, and golden builds every kind of index everywhere.
stage_asan() { build_and_ctest asan; }
stage_tsan() { build_and_ctest tsan; }
stage_arm64() { build_and_ctest arm64; }
# The modules: linked, and made small by the tools of cmake/tools.
stage_wasm() { need_tools; build_only wasm omendb.wasm; }
stage_wasm-relaxed() { need_tools; build_only wasm-relaxed omendb.wasm; }
stage_wasi-command() { need_tools; build_and_ctest wasi-command; }
stage_emscripten() { need_node; build_and_ctest emscripten; }
# libcrypto is the system's: what it writes looks unwritten to MemorySanitizer, so tests of encryption are left to the others.
stage_msan() { build_and_ctest msan -E encrypt; }

# The installed library must be usable with nothing but pkg-config.
stage_install() {
  local prefix=$BUILD/install log=$BUILD/logs/install.log
  say "install"
  if { rm -rf "$prefix" && cmake --install "$BUILD/native-gcc" --prefix "$prefix" &&
    bash "$ROOT/cmake/dev/check-install.sh" "$prefix"; } >"$log" 2>&1
  then result install 1 0
  else tail -20 "$log" >&2; result install 0 1
  fi
}

# The command line of native-gcc.
stage_cli() {
  need_node
  built native-gcc || { result cli 0 1; return 0; }
  local files
  mapfile -t files < <(test_files tests/cli)
  node_tests cli "${files[@]}"
}

stage_tidy() {
  need_node
  local files
  mapfile -t files < <(test_files tests/tidy)
  node_tests tidy "${files[@]}"
}

# What the npm package needs: TypeScript, type checks.
stage_js() {
  need_npm
  build_js >"$BUILD/logs/js.log" 2>&1 || { tail -30 "$BUILD/logs/js.log" >&2; result js 0 1; return 0; }
  result js 1 0
}

stage_js-tests() {
  need_npm
  local files
  mapfile -t files < <(test_files js/test; test_files tests/js; test_files tests/conformance; test_files tests/metrics; test_files tests/bench)
  node_tests js-tests "${files[@]}"
}

# Real browsers share two cores badly: one file at a time.
stage_browser() {
  need browser
  need_npm
  local files
  mapfile -t files < <(test_files tests/browser)
  JOBS=1 node_tests browser "${files[@]}"
}

# The programs that the README shows, and the demo with its page.
stage_examples() {
  need browser
  need_npm
  local files
  mapfile -t files < <(test_files tests/examples)
  JOBS=1 node_tests examples "${files[@]}"
}

stage_golden() {
  need_npm
  local files
  mapfile -t files < <(test_files tests/golden)
  node_tests golden "${files[@]}"
}

# The kept corpora are replayed by every native build (fuzz.NAME); here each target goes on from them, in turn, for a minute
# altogether, in depth for five.
stage_fuzz() {
  need native
  built fuzz || { result fuzz 0 1; return 0; }
  local names seconds=60 passed=0 failed=0 name execs
  mapfile -t names < <(fuzz_names)
  [ "${OMEN_TEST_DEEP:-}" != 1 ] || seconds=300
  seconds=$(((seconds * JOBS + ${#names[@]} - 1) / ${#names[@]}))
  say "fuzzing ${#names[@]} targets for $seconds seconds each"
  # A change is judged by the same inputs every time; in depth, and by ./dev fuzz, new ones are looked for.
  [ "${OMEN_TEST_DEEP:-}" = 1 ] || export OMEN_FUZZ_SEED=1
  export -f run_fuzzer
  export BUILD ROOT
  printf '%s\n' "${names[@]}" | xargs -P "$JOBS" -I{} bash -c '
    run_fuzzer "$1" "$2" >"$BUILD/logs/fuzz-$2.log" 2>&1; echo $? >"$BUILD/logs/fuzz-$2.status"' - "$seconds" {} || true
  for name in "${names[@]}"; do
    execs=$(fuzz_execs "$BUILD/logs/fuzz-$name.log")
    if [ "$(cat "$BUILD/logs/fuzz-$name.status")" = 0 ] && [ "${execs:-0}" -gt 0 ]; then
      passed=$((passed + 1))
      printf 'fuzz_execs %s\n' "$execs" >>"$OMEN_TEST_REPORT"
    else
      failed=$((failed + 1))
      say "fuzz target $name failed"
      tail -30 "$BUILD/logs/fuzz-$name.log" >&2
    fi
  done
  result fuzz "$passed" "$failed"
}

# Which branches of the store, of all that parses and of what reads sections the tests take: a table a file, and the share of src/store. Each branch of the first two
# must be taken or be listed in unreachable.txt with the reason; of the third no smaller share than before (coverage.mjs).
stage_coverage() {
  need native
  need_node
  built coverage || { result coverage 0 1; return 0; }
  local profiles=$BUILD/coverage/profiles log=$BUILD/logs/coverage.log
  rm -rf "$profiles"
  mkdir -p "$profiles"
  LLVM_PROFILE_FILE="$profiles/%m.profraw" ctest_preset coverage
  if { llvm-profdata-19 merge -sparse -o "$BUILD/coverage/all.profdata" "$profiles"/*.profraw &&
    llvm-cov-19 export -skip-expansions -instr-profile="$BUILD/coverage/all.profdata" "$BUILD/coverage/libomendb.so" "$ROOT/src" >"$BUILD/coverage/branches.json" &&
    node "$ROOT/cmake/dev/coverage.mjs" "$BUILD/coverage/branches.json" "$ROOT/cmake/dev/unreachable.txt"; } >"$log" 2>&1
  then
    cat "$log" >&2
    printf 'store_branch_coverage %s\n' "$(sed -n 's/^src\/store: \([0-9.]*\) % of the .*/\1/p' "$log")" >>"$OMEN_TEST_REPORT"
    result coverage-table 1 0
  else
    tail -40 "$log" >&2
    result coverage-table 0 1
  fi
}

# The presets that stages build, in their order.
presets_of() {
  local stage
  for stage in "$@"; do
    if preset_names | grep -qx -- "$stage"; then printf '%s\n' "$stage"; fi
  done
}

cmd_test() {
  local stages=() presets stage status deep='' report='' begun=$SECONDS whole=''
  while [ $# -gt 0 ]; do
    case $1 in
      --quick) stages+=(native-gcc wasm wasm-relaxed js js-tests) ;;
      --only) stages+=("${2:?--only needs a name}"); shift ;;
      --deep) deep=1; export OMEN_TEST_DEEP=1 ;;
      --report) report=1 ;;
      --list) tr ' ' '\n' <<<"$STAGES $DEEP_STAGES"; return 0 ;;
      *) fail "unknown option $1; see ./dev help" ;;
    esac
    shift
  done
  if [ ${#stages[@]} -eq 0 ]; then
    read -ra stages <<<"$STAGES${deep:+ $DEEP_STAGES}"
    whole=1
  else
    need native
    need_deps
  fi
  results_begin
  trap 'builder_end; rm -rf "$RESULTS" "$REPORTS"' EXIT
  for stage in "${stages[@]}"; do
    declare -F "stage_$stage" >/dev/null || fail "no stage '$stage'; --list shows them"
    report_stage "$stage"
    # In a subshell: a stage that dies leaves the others alone, and is counted. (Not "( ) || ...", which would switch
    # errexit off inside.)
    set +e
    (set -e; "stage_$stage")
    status=$?
    set -e
    [ "$status" -eq 0 ] || [ -f "$RESULTS/$stage" ] || result "$stage" 0 1
    # All that is needed is there now.
    if [ "$stage" = setup ] && [ -n "$whole" ]; then
      mapfile -t presets < <(presets_of "${stages[@]}")
      builder_begin "${presets[@]}"
    fi
  done
  status=0
  results_end || status=$?
  [ -z "$report" ] || report_json $((SECONDS - begun))
  return "$status"
}
