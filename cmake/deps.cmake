# The C libraries inside OmenDB: zstd, xxHash, yyjson and Snowball's stemmers (snowball.cmake), each from one pinned source, compiled with the same macros
# for every target. That matters for zstd above all: its output is stored in segments, and segments are named by the
# hash of their bytes, so native and wasm must compress to the same bytes.
#
# ./dev unpacks the sources into build/deps (see cmake/dev/deps.sh). A machine without them downloads the releases
# below; every URL is pinned by SHA-256.

include(FetchContent)

# omen_pinned(NAME url sha256): declares the dependency and sets NAME_SOURCE_DIR.
function(omen_pinned name url sha256)
  string(TOUPPER ${name} upper)
  set(unpacked ${PROJECT_SOURCE_DIR}/build/deps/${name})
  if(NOT FETCHCONTENT_SOURCE_DIR_${upper} AND EXISTS ${unpacked}/.pinned-sha256)
    set(FETCHCONTENT_SOURCE_DIR_${upper} ${unpacked})
  endif()
  # SOURCE_SUBDIR names a folder without a CMakeLists.txt: the sources are only fetched, the targets are ours.
  FetchContent_Declare(${name} URL ${url} URL_HASH SHA256=${sha256} DOWNLOAD_EXTRACT_TIMESTAMP ON SOURCE_SUBDIR .none)
  FetchContent_MakeAvailable(${name})
  set(${name}_SOURCE_DIR ${${name}_SOURCE_DIR} PARENT_SCOPE)
endfunction()

# The release tarball of facebook/zstd v1.5.7.
omen_pinned(zstd https://github.com/facebook/zstd/releases/download/v1.5.7/zstd-1.5.7.tar.gz
            eb33e51f49a15e023950cd7825ca74a4a2b43db8354825ac24fc1b7ee09e6fa3)
# The tag archive of Cyan4973/xxHash v0.8.3 (Debian's orig tarball is the same file).
omen_pinned(xxhash https://github.com/Cyan4973/xxHash/archive/refs/tags/v0.8.3.tar.gz
            aae608dfe8213dfd05d909a57718ef82f30722c392344583d3f39050c7f29a80)
# The tag archive of ibireme/yyjson 0.10.0.
omen_pinned(yyjson https://github.com/ibireme/yyjson/archive/refs/tags/0.10.0.tar.gz
            0d901cb2c45c5586e3f3a4245e58c2252d6b24bf4b402723f6179523d389b165)

include(${CMAKE_CURRENT_LIST_DIR}/snowball.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/notices.cmake)

# Single-threaded zstd without dictionaries, legacy formats, tracing and assembly. Level 1 is in use, so only the
# "fast" block compressor is kept; a higher level silently falls back to it.
file(GLOB zstd_sources CONFIGURE_DEPENDS
  ${zstd_SOURCE_DIR}/lib/common/*.c ${zstd_SOURCE_DIR}/lib/compress/*.c ${zstd_SOURCE_DIR}/lib/decompress/*.c)
list(FILTER zstd_sources EXCLUDE REGEX "/(zstdmt_compress|pool|threading|zstd_ldm|zstd_compress_superblock)\\.c$")
list(APPEND zstd_sources ${PROJECT_SOURCE_DIR}/cmake/deps/zstd_left_out.c)
set(xxhash_source ${xxhash_SOURCE_DIR}/xxhash.c)
set(yyjson_source ${yyjson_SOURCE_DIR}/src/yyjson.c)

# omen_patch(OUT file "regex|replacement"...): a copy of a pinned source with small changes, in the build folder; OUT
# is set to its path. A change that no longer applies stops the build.
function(omen_patch out file)
  file(READ ${file} text)
  foreach(change ${ARGN})
    string(REGEX MATCH "^(.*)[|](.*)$" matched "${change}")
    set(regex "${CMAKE_MATCH_1}")
    set(with "${CMAKE_MATCH_2}")
    string(REGEX REPLACE "${regex}" "${with}" patched "${text}")
    if(patched STREQUAL text)
      message(FATAL_ERROR "${file} has no '${regex}' to replace; adapt cmake/deps.cmake")
    endif()
    set(text "${patched}")
  endforeach()
  get_filename_component(name ${file} NAME_WE)
  set(copy ${CMAKE_CURRENT_BINARY_DIR}/pinned/${name}_small.c)
  file(CONFIGURE OUTPUT ${copy} CONTENT "${text}" @ONLY)
  set(${out} ${copy} PARENT_SCOPE)
endfunction()

# WebAssembly is downloaded, so there what is never reached goes; what is computed and written stays the same, byte for
# byte, which tests/unit/base/pinned_test.c checks in every build.
set(zstd_compress_source ${zstd_SOURCE_DIR}/lib/compress/zstd_compress.c)
if(OMEN_WASM OR OMEN_EMSCRIPTEN)
  # 10 KB of table give way to the few lines that compute them, the variants for indented text to the plain ones
  # (which read the same; asked to write indented text, they write it without), unrolled loops to the loops that their
  # comments show, and the second of three ways to a double to the third, which is exact as well.
  omen_patch(yyjson_source ${yyjson_source}
    "static const u64 pow10_sig_table\\[\\] = {[^}]*}[\;]|#include \"yyjson_pow10.h\""
    "doc = read_root_pretty\\(|doc = read_root_minify("
    "[*][)]yyjson_write_pretty\\(|*)yyjson_write_minify("
    "[*][)]yyjson_mut_write_pretty\\(|*)yyjson_mut_write_minify("
    "u64 num\; /|u64 num\; usize i = 1\; /"
    "repeat_in_1_18\\(expr_intg\\)|for (\; i <= 18\; i++) expr_intg(i)"
    "repeat_in_1_18\\(expr_sepr\\)|expr_sepr(i)"
    "repeat_in_1_18\\(expr_frac\\)|for (\; i <= 18\; i++) expr_frac(i)"
    "repeat_in_1_18\\(expr_stop\\)|expr_stop(i)"
    "goto digi_frac_1\;|goto digi_frac_i\;"
    "if \\(likely\\(!sig_cut &&|if (likely(0 && !sig_cut &&"
    "repeat16_incr\\(expr_jump\\)\n    src [+]= 16\;\n    goto skip_ascii_begin\;|while (!char_is_ascii_stop(*src)) src++\; goto skip_ascii_end\;"
    "repeat16_incr\\(expr_jump\\)\n#undef expr_jump|while (!char_is_ascii_stop(*src)) *dst++ = *src++\; goto copy_utf8\;\n#undef expr_jump")
  set_source_files_properties(${yyjson_source} PROPERTIES
    INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/cmake/deps COMPILE_OPTIONS -Oz)
  # Never asked for: a target size of compressed blocks, splitting blocks (levels of 16 and more), collecting sequences
  # or getting them from elsewhere, long-distance matching, dictionaries.
  list(REMOVE_ITEM zstd_sources ${zstd_compress_source})
  omen_patch(zstd_compress_source ${zstd_compress_source}
    "if \\(ZSTD_useTargetCBlockSize\\(&cctx->appliedParams\\)\\) {|if (0) {"
    "if \\(ZSTD_blockSplitterEnabled\\(&cctx->appliedParams\\)\\) {|if (0) {"
    "if \\(zc->seqCollector.collectSequences\\) {|if (0) {"
    "if \\(ZSTD_hasExtSeqProd\\(&zc->appliedParams\\)\\) {|if (0) {"
    "if \\(zc->externSeqStore.pos < zc->externSeqStore.size\\) {|if (0) {"
    "if \\(zc->appliedParams.ldmParams.enableLdm == ZSTD_ps_enable\\) {|if (0) {"
    "if \\(\\(dict==NULL\\) [|][|] \\(dictSize<8\\)\\) {|if (1) {")
  list(APPEND zstd_sources ${zstd_compress_source})
  set_property(SOURCE ${zstd_compress_source} PROPERTY INCLUDE_DIRECTORIES
    ${zstd_SOURCE_DIR}/lib/compress ${zstd_SOURCE_DIR}/lib/common)
endif()

add_library(omen_deps OBJECT ${zstd_sources} ${xxhash_source} ${yyjson_source} ${snowball_sources})
target_compile_definitions(omen_deps PRIVATE
  ZSTD_DISABLE_ASM ZSTD_LEGACY_SUPPORT=0 ZSTD_NO_TRACE DYNAMIC_BMI2=0
  ZSTD_STRIP_ERROR_STRINGS ZSTD_NO_UNUSED_FUNCTIONS
  ZSTDLIB_VISIBLE= ZSTDLIB_HIDDEN= ZSTDERRORLIB_VISIBLE=
  ZSTD_EXCLUDE_DFAST_BLOCK_COMPRESSOR ZSTD_EXCLUDE_GREEDY_BLOCK_COMPRESSOR ZSTD_EXCLUDE_LAZY_BLOCK_COMPRESSOR ZSTD_EXCLUDE_LAZY2_BLOCK_COMPRESSOR
  ZSTD_EXCLUDE_BTLAZY2_BLOCK_COMPRESSOR ZSTD_EXCLUDE_BTOPT_BLOCK_COMPRESSOR ZSTD_EXCLUDE_BTULTRA_BLOCK_COMPRESSOR)
if(OMEN_SANITIZE)
  # zstd poisons its workspace for AddressSanitizer, and hands it back poisoned to the allocator it was given. (For
  # MemorySanitizer, which minds reading alone, that is right.)
  target_compile_definitions(omen_deps PRIVATE ZSTD_ASAN_DONT_POISON_WORKSPACE)
endif()
# Blocks are compressed one by one without dictionary or history, so the block compressors for those cases are never
# called. Naming the plain one in their place lets the linker drop them. (Were one called, its output would still be
# valid, only larger.)
set_property(SOURCE ${zstd_compress_source} PROPERTY COMPILE_DEFINITIONS
  "ZSTD_compressBlock_fast_extDict=ZSTD_compressBlock_fast;ZSTD_compressBlock_fast_dictMatchState=ZSTD_compressBlock_fast")
# What users of the headers must see as well as the libraries themselves. yyjson marks nearly everything always_inline;
# left to the compiler it is a third of the size and no slower.
target_compile_definitions(omen_deps PUBLIC
  YYJSON_DISABLE_UTILS=1 YYJSON_DISABLE_NON_STANDARD=1 yyjson_api= yyjson_inline=inline)

if(OMEN_WASM OR OMEN_EMSCRIPTEN)
  # These choose among decoders of the same format: smaller, about as fast on small blocks. What the encoder writes
  # must not depend on the target, so its macros stand above.
  target_compile_definitions(omen_deps PRIVATE
    HUF_FORCE_DECOMPRESS_X1 ZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT ZSTD_NO_INLINE)
  # With SIMD on, xxHash would include an emulation of NEON that these tools do not have.
  set_source_files_properties(${xxhash_source} PROPERTIES COMPILE_OPTIONS -mno-simd128)
endif()
# SYSTEM: their warnings are not ours to fix.
target_include_directories(omen_deps SYSTEM PUBLIC
  ${zstd_SOURCE_DIR}/lib ${xxhash_SOURCE_DIR} ${yyjson_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/cmake/deps)
target_compile_options(omen_deps PRIVATE ${OMEN_COMMON_FLAGS} -w ${OMEN_DEPS_OPTIMIZE})
set_target_properties(omen_deps PROPERTIES POSITION_INDEPENDENT_CODE ${OMEN_PIC})
