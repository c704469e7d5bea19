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

# The TypeScript of js/, when it has a build script.
build_js() {
  [ -f "$ROOT/js/package.json" ] || return 0
  say "building js"
  # The examples and the demo say `import "omendb"`, as after an npm install.
  mkdir -p "$ROOT/node_modules"
  ln -sfn ../js "$ROOT/node_modules/omendb"
  (cd "$ROOT/js" && npm run --if-present --silent build)
}

# run_fuzzers SECONDS [NAME...]: each fuzzer goes on from its kept corpus; new inputs stay in build/fuzz/corpus.
run_fuzzers() {
  local seconds=$1 found=0 source binary name status=0 dict
  shift
  for source in "$ROOT"/tests/fuzz/*_fuzz.c; do
    [ -f "$source" ] || continue
    name=$(basename "$source" _fuzz.c)
    binary=$BUILD/fuzz/tests/fuzz/${name}_fuzz
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
    found=$((found + 1))
    mkdir -p "$BUILD/fuzz/corpus/$name" "$ROOT/tests/fuzz/corpus/$name"
    dict=()
    [ ! -f "$ROOT/tests/fuzz/$name.dict" ] || dict=(-dict="$ROOT/tests/fuzz/$name.dict")
    say "fuzzing $name for $seconds seconds"
    ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-19 || true) \
      "$binary" -max_total_time="$seconds" -print_final_stats=1 -timeout=10 -rss_limit_mb=2048 \
      "${dict[@]}" -artifact_prefix="$BUILD/fuzz/$name-" "$BUILD/fuzz/corpus/$name" "$ROOT/tests/fuzz/corpus/$name" || status=1
  done
  [ "$found" -gt 0 ] || fail "no such fuzz target; they are tests/fuzz/*_fuzz.c"
  return $status
}
