# Building: CMake presets, and the JavaScript package.

preset_names() { sed -n '/"buildPresets"/,/\]/s/.*"name": "\([a-z0-9-]*\)".*/\1/p' "$ROOT/CMakePresets.json"; }

need_for_presets() {
  need native
  local preset
  for preset in "$@"; do
    case $preset in
      wasm* | wasi*) need wasm ;;
      arm64) need arm64 ;;
      emscripten) need emscripten ;;
    esac
  done
}

# build_presets PRESET...: what a compiler says is shown only when it fails.
build_presets() {
  local preset log
  mkdir -p "$BUILD/logs"
  for preset in "$@"; do
    log=$BUILD/logs/build-$preset.log
    say "building $preset"
    # A build folder that something else configured in between is begun afresh.
    if ! { { cmake --preset "$preset" || cmake --fresh --preset "$preset"; } && cmake --build --preset "$preset" -j "$JOBS"; } >"$log" 2>&1; then
      grep -E -A12 '(error|FAILED|CMake Error)[:( ]' "$log" | head -60 >&2 || tail -30 "$log" >&2
      printf 'dev: building %s failed; the whole output is in %s\n' "$preset" "${log#"$ROOT"/}" >&2
      return 1
    fi
  done
}

# builder_begin PRESET...: builds them in this order beside the tests, on what time these leave; each leaves its status
# in a file, for which built() waits.
builder_begin() {
  BUILT=$(mktemp -d)
  set -m # a process group of its own, to be ended with all it started
  (
    set +m
    renice -n 15 -p "$BASHPID" >/dev/null
    need_tools # Node for this shell, too
    for preset in "$@"; do
      status=0
      build_presets "$preset" || status=1
      printf '%s\n' "$status" >"$BUILT/$preset.new"
      mv "$BUILT/$preset.new" "$BUILT/$preset"
    done
  ) </dev/null &
  BUILDER=$!
  set +m
  BUILDING=" $* "
}

builder_end() {
  [ -n "${BUILDER:-}" ] || return 0
  kill -- -"$BUILDER" 2>/dev/null || true
  rm -rf "$BUILT"
}

# built PRESET...: like build_presets; what the builder beside builds is waited for.
built() {
  local preset
  for preset in "$@"; do
    if [[ ${BUILDING:-} != *" $preset "* ]]; then build_presets "$preset" || return 1; continue; fi
    until [ -f "$BUILT/$preset" ]; do
      kill -0 "$BUILDER" 2>/dev/null || [ -f "$BUILT/$preset" ] || { say "building $preset was broken off"; return 1; }
      sleep 1
    done
    [ "$(cat "$BUILT/$preset")" = 0 ] || return 1
  done
}

# The TypeScript of js/, when it has a build script.
build_js() {
  [ -f "$ROOT/js/package.json" ] || return 0
  say "building js"
  # The examples and the demo say `import "omendb"`, as after an npm install.
  mkdir -p "$ROOT/node_modules"
  ln -sfn ../js "$ROOT/node_modules/omendb"
  (cd "$ROOT/js" && npm run --if-present --silent build)
}

# fuzz_names: the targets, tests/fuzz/NAME_fuzz.c.
fuzz_names() { find "$ROOT/tests/fuzz" -name '*_fuzz.c' -printf '%f\n' | sed 's/_fuzz\.c$//' | sort; }

# run_fuzzer SECONDS NAME: it goes on from its kept corpus; new inputs stay in build/fuzz/corpus. OMEN_FUZZ_SEED: always the same ones, in the same order.
run_fuzzer() {
  local seconds=$1 name=$2 dict=()
  mkdir -p "$BUILD/fuzz/corpus/$name" "$ROOT/tests/fuzz/corpus/$name"
  [ ! -f "$ROOT/tests/fuzz/$name.dict" ] || dict=(-dict="$ROOT/tests/fuzz/$name.dict")
  ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-19 || true) \
    "$BUILD/fuzz/tests/fuzz/${name}_fuzz" -max_total_time="$seconds" -print_final_stats=1 -timeout=60 -rss_limit_mb=2048 \
    ${OMEN_FUZZ_SEED:+-seed="$OMEN_FUZZ_SEED"} \
    "${dict[@]}" -artifact_prefix="$BUILD/fuzz/$name-" "$BUILD/fuzz/corpus/$name" "$ROOT/tests/fuzz/corpus/$name"
}

# fuzz_execs LOG: how many inputs a fuzzer ran; nothing when it was cut off.
fuzz_execs() { sed -n 's/^stat::number_of_executed_units: *\([0-9]\{1,\}\)$/\1/p' "$1" | tail -1; }

# run_fuzzers SECONDS [NAME...]: one after another, to be looked at.
run_fuzzers() {
  local seconds=$1 found=0 name status=0
  shift
  for name in $(fuzz_names); do
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
    found=$((found + 1))
    say "fuzzing $name for $seconds seconds"
    run_fuzzer "$seconds" "$name" || status=1
  done
  [ "$found" -gt 0 ] || fail "no such fuzz target; they are: $(fuzz_names | tr '\n' ' ')"
  return $status
}
