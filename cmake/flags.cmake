# Compiler flags shared by every target.

set(OMEN_COMMON_FLAGS
  -std=c11
  -fvisibility=hidden
  -ffp-contract=off    # the same bits everywhere: a fused multiply-add rounds once where two operations round twice
  -fno-math-errno
  -ffunction-sections -fdata-sections)

set(OMEN_WARNINGS -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror)

set(OMEN_PIC ON)
if(OMEN_WASM)
  list(APPEND OMEN_COMMON_FLAGS -msimd128 -mbulk-memory)
  set(OMEN_PIC OFF)
  # Not for the C tests, each of which would be linked so.
  if(OMEN_WASM_KIND STREQUAL "reactor")
    list(APPEND OMEN_COMMON_FLAGS -flto)
  endif()
endif()
if(OMEN_EMSCRIPTEN)
  list(APPEND OMEN_COMMON_FLAGS -msimd128)
  set(OMEN_PIC OFF)
endif()

# "" for an ordinary build, or a list such as "address;undefined".
set(OMEN_SANITIZE "" CACHE STRING "Sanitizers, separated by commas")
if(OMEN_SANITIZE)
  list(APPEND OMEN_COMMON_FLAGS -fsanitize=${OMEN_SANITIZE} -fno-omit-frame-pointer -gline-tables-only)
  if(OMEN_SANITIZE MATCHES "undefined")
    list(APPEND OMEN_COMMON_FLAGS -fno-sanitize-recover=undefined)
  endif()
  add_link_options(-fsanitize=${OMEN_SANITIZE})
endif()
set(OMEN_COVERAGE OFF CACHE BOOL "Count which branches are taken (clang only)")
if(OMEN_COVERAGE)
  list(APPEND OMEN_COMMON_FLAGS -fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()
set(OMEN_FUZZ OFF CACHE BOOL "Build the libFuzzer targets (clang only)")
if(OMEN_FUZZ)
  list(APPEND OMEN_COMMON_FLAGS -fsanitize=fuzzer-no-link)
endif()

# The optimisation level is chosen per target: ordinary code, kernels, and the pinned libraries. In WebAssembly, where
# every byte is downloaded, everything but the kernels is compiled for size. It halves zstd's speed, which is that of
# documents, never of vectors.
# They are no cache variables of ours, so that changing them here changes every build folder; a preset may set them.
set(optimize_default -O2)
set(deps_optimize_default -O2)
set(kernel_optimize_default -O3)
if(OMEN_WASM OR OMEN_EMSCRIPTEN)
  set(optimize_default -Oz -fno-vectorize -fno-slp-vectorize)
  set(deps_optimize_default -Oz)
  set(kernel_optimize_default -O2) # their loops say themselves how far to unroll
endif()
if(NOT DEFINED OMEN_OPTIMIZE)
  set(OMEN_OPTIMIZE ${optimize_default})
endif()
if(NOT DEFINED OMEN_DEPS_OPTIMIZE)
  set(OMEN_DEPS_OPTIMIZE ${deps_optimize_default})
endif()
if(NOT DEFINED OMEN_KERNEL_OPTIMIZE)
  set(OMEN_KERNEL_OPTIMIZE ${kernel_optimize_default})
endif()

# omen_compile(target): our own code: warnings are errors.
function(omen_compile target)
  target_compile_options(${target} PRIVATE ${OMEN_COMMON_FLAGS} ${OMEN_WARNINGS} ${OMEN_OPTIMIZE})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ${OMEN_PIC})
endfunction()

# omen_kernel_flags(list of sources): each kernel file is compiled for the instruction set its name ends with. Never
# -mfma: a kernel that wants exact results must not have its operations fused behind its back.
function(omen_kernel_flags)
  foreach(file ${ARGN})
    set(flags ${OMEN_KERNEL_OPTIMIZE})
    if(file MATCHES "_avx2\\.c$")
      list(APPEND flags -mavx2 -mf16c -mpopcnt)
    elseif(file MATCHES "_avx512\\.c$")
      list(APPEND flags -mavx512f -mavx512bw -mavx512vl -mavx512dq -mpopcnt)
    elseif(file MATCHES "_avx512vnni\\.c$")
      list(APPEND flags -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512vpopcntdq -mpopcnt)
    elseif(file MATCHES "_crc\\.c$")
      if(OMEN_X86_64)
        list(APPEND flags -msse4.2)
      elseif(OMEN_ARM64)
        list(APPEND flags -march=armv8-a+crc)
      endif()
    elseif(file MATCHES "_dotprod\\.c$")
      list(APPEND flags -march=armv8.2-a+dotprod)
    elseif(file MATCHES "_relaxed\\.c$")
      list(APPEND flags -mrelaxed-simd)
    endif()
    set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${flags}")
  endforeach()
endfunction()
