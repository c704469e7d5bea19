# ./dev test: stages, each a function stage_NAME, run in this order. A stage that breaks counts as one failure and the
# others go on, so one run shows everything there is to show.

STAGES='setup native-gcc native-clang asan tsan arm64 wasm wasm-relaxed wasi-command emscripten install cli tidy js js-tests browser examples golden'

# ctest_preset PRESET [ctest options]
ctest_preset() {
  local preset=$1 log=$BUILD/logs/ctest-$1.log last=$BUILD/$1/Testing/Temporary/LastTest.log passed failed
  shift
  rm -f "$last"
  say "C tests of $preset"
  ctest --preset "$preset" -j "$JOBS" "$@" >"$log" 2>&1 || sed -n '/\*\*\*Failed/,$p;/\*\*\*Exception/,$p' "$log" | head -80 >&2
  [ -f "$last" ] || { say "no tests in $preset"; result "$preset" 0 1; return 0; }
  read -r passed failed < <(count_ctest "$last")
  result "$preset" "$passed" "$failed"
}

# build_and_ctest PRESET: build failures count as one.
build_and_ctest() {
  need_for_presets "$1"
  if build_presets "$1"; then ctest_preset "$@"; else result "$1" 0 1; fi
}

# build_only PRESET FILE: the build is the test; the file must be there afterwards.
build_only() {
  need_for_presets "$1"
  if build_presets "$1" && [ -f "$BUILD/$1/$2" ]; then result "$1" 1 0; else result "$1" 0 1; fi
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
stage_asan() { build_and_ctest asan -L 'unit|fault|corruption|fuzz'; }
# ThreadSanitizer is slow, and says nothing about a program with one thread.
stage_tsan() { build_and_ctest tsan -R 'posix|thread|native|host'; }
stage_arm64() { build_and_ctest arm64 -L 'unit|golden'; }
# The modules: linked, and made small by the tools of cmake/tools.
stage_wasm() { need_tools; build_only wasm omendb.wasm; }
stage_wasm-relaxed() { need_tools; build_only wasm-relaxed omendb.wasm; }
stage_wasi-command() { need_tools; build_and_ctest wasi-command -L 'unit|golden'; }
stage_emscripten() { need_node; build_and_ctest emscripten -L 'unit|golden'; }

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
  build_presets native-gcc || { result cli 0 1; return 0; }
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

cmd_test() {
  local stages=() stage status
  while [ $# -gt 0 ]; do
    case $1 in
      --quick) stages+=(native-gcc wasm wasm-relaxed js js-tests) ;;
      --only) stages+=("${2:?--only needs a name}"); shift ;;
      --list) tr ' ' '\n' <<<"$STAGES"; return 0 ;;
      *) fail "unknown option $1; see ./dev help" ;;
    esac
    shift
  done
  if [ ${#stages[@]} -eq 0 ]; then
    read -ra stages <<<"$STAGES"
  else
    need native
    need_deps
  fi
  results_begin
  for stage in "${stages[@]}"; do
    declare -F "stage_$stage" >/dev/null || fail "no stage '$stage'; --list shows them"
    # In a subshell: a stage that dies leaves the others alone, and is counted. (Not "( ) || ...", which would switch
    # errexit off inside.)
    set +e
    (set -e; "stage_$stage")
    status=$?
    set -e
    [ "$status" -eq 0 ] || [ -f "$RESULTS/$stage" ] || result "$stage" 0 1
  done
  results_end
}
