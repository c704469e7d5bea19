# WebAssembly targets. OMEN_WASM_KIND says which module is linked:
#   reactor   omendb.wasm and its second part, omendb-later.wasm: exported functions, and no imports but the host functions named in wasm/*.c
#   command   omendb-command.wasm: the same core with a main and a WASI host from wasm/command/
#   es-module Emscripten: libomendb.a and omendb.mjs, for applications that are built with Emscripten themselves

set(OMEN_WASM_KIND reactor CACHE STRING "reactor, command or es-module")
option(OMEN_WASM_RELAXED "Compile the relaxed-SIMD kernels in" OFF)

file(GLOB kernels CONFIGURE_DEPENDS wasm/kernel/*.c)
if(NOT OMEN_WASM_RELAXED)
  list(FILTER kernels EXCLUDE REGEX "_relaxed\\.c$")
endif()
omen_kernel_flags(${kernels})

add_library(omen_wasm_kernels OBJECT ${kernels} ${OMEN_NO_SOURCES})
omen_compile(omen_wasm_kernels)
target_link_libraries(omen_wasm_kernels PRIVATE omen_deps)
if(OMEN_WASM_RELAXED)
  target_compile_definitions(omen_wasm_kernels PRIVATE OMEN_WASM_RELAXED=1)
endif()

set(omen_objects $<TARGET_OBJECTS:omen_core> $<TARGET_OBJECTS:omen_wasm_kernels> $<TARGET_OBJECTS:omen_deps>)

# omen_wasm_module(target sources...): our own sources linked with the core.
function(omen_wasm_module target)
  add_executable(${target} ${ARGN} ${omen_objects})
  omen_compile(${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/wasm)
  target_compile_definitions(${target} PRIVATE $<TARGET_PROPERTY:omen_deps,INTERFACE_COMPILE_DEFINITIONS>)
  target_include_directories(${target} SYSTEM PRIVATE $<TARGET_PROPERTY:omen_deps,INTERFACE_INCLUDE_DIRECTORIES>)
  if(OMEN_WASM_RELAXED)
    target_compile_definitions(${target} PRIVATE OMEN_WASM_RELAXED=1)
  endif()
endfunction()

# omen_wasm_library(): libomendb.a, for C programs (the C tests are some). Their platform keeps databases in memory;
# they may hand over a host and a storage of their own.
macro(omen_wasm_library)
  add_library(omendb STATIC ${omen_objects} ${PROJECT_SOURCE_DIR}/wasm/command/memory.c)
  omen_compile(omendb)
  target_include_directories(omendb PUBLIC ${PROJECT_SOURCE_DIR}/include PRIVATE ${PROJECT_SOURCE_DIR}/wasm)
endmacro()

# wasm-opt makes the linked module a tenth smaller. It is the pinned one of cmake/tools, never the one on PATH, which
# may be too old for relaxed SIMD; that is also why there is no -O on the link line, with which clang would run it.
# Nothing lies below address 1,024, where the linker begins, so a sum before an access may become the access's
# offset. (--ignore-implicit-traps moves accesses in front of the checks that guard them, and --traps-never-happen drops
# OMEN_ASSERT: neither is for this module.)
find_program(OMEN_WASM_OPT wasm-opt PATHS ${PROJECT_SOURCE_DIR}/cmake/tools/node_modules/.bin NO_DEFAULT_PATH)
if(NOT OMEN_WASM_OPT)
  message(STATUS "no wasm-opt: run 'npm ci' in cmake/tools for smaller modules")
endif()
# omen_wasm_optimize(target file...): the target's file, or those that it was split into.
function(omen_wasm_optimize target)
  set(files ${ARGN})
  if(NOT files)
    set(files $<TARGET_FILE:${target}>)
  endif()
  if(OMEN_WASM_OPT)
    set(features --mvp-features --enable-mutable-globals --enable-sign-ext --enable-bulk-memory --enable-simd
        --enable-nontrapping-float-to-int --enable-multivalue --enable-reference-types)
    if(OMEN_WASM_RELAXED)
      list(APPEND features --enable-relaxed-simd)
    endif()
    foreach(file ${files})
      add_custom_command(TARGET ${target} POST_BUILD
        COMMAND ${OMEN_WASM_OPT} ${features} --low-memory-unused
          --flatten --rereloop --gufa-optimizing -Oz -Oz --converge ${file} -o ${file}.small
        COMMAND ${CMAKE_COMMAND} -E rename ${file}.small ${file})
    endforeach()
  endif()
endfunction()
# Node 20's node:wasi corrupts its own heap after a module's memory has grown, so commands have from the start what they
# are going to need; run-wasi.mjs fails those that took more. (Only touched pages count.)
set(OMEN_WASI_MEMORY -Wl,--initial-memory=1073741824)

# The inliner of the link step is held back: what is worth it was inlined when each file was compiled.
set(link_flags -Wl,--global-base=1024,--gc-sections,-O2,-z,stack-size=1048576,-mllvm,-inline-threshold=-50)

if(OMEN_WASM_KIND STREQUAL "reactor")
  # What JavaScript has already, or never asks for.
  target_compile_definitions(omen_core PRIVATE OMEN_BARE_STATUS OMEN_PARTS)
  target_compile_definitions(omen_wasm_kernels PRIVATE OMEN_ONE_KERNEL_SET)
  file(GLOB host CONFIGURE_DEPENDS wasm/*.c)
  if(host)
    omen_wasm_module(omendb_wasm ${host})
    # Linked whole, with relocations, then split (src/base/later.h): omendb.wasm, and omendb-later.wasm which is loaded when it is first needed.
    find_program(OMEN_NODE node REQUIRED)
    set(parts ${CMAKE_CURRENT_BINARY_DIR}/omendb.wasm ${CMAKE_CURRENT_BINARY_DIR}/omendb-later.wasm)
    set(split ${PROJECT_SOURCE_DIR}/cmake/tools/split-wasm.mjs)
    set(later ${PROJECT_SOURCE_DIR}/wasm/later.txt)
    target_compile_definitions(omendb_wasm PRIVATE OMEN_PARTS)
    target_link_options(omendb_wasm PRIVATE -mexec-model=reactor ${link_flags} -Wl,--strip-debug,--emit-relocs)
    set_target_properties(omendb_wasm PROPERTIES OUTPUT_NAME omendb-whole LINK_DEPENDS "${split};${later}")
    add_custom_command(TARGET omendb_wasm POST_BUILD COMMAND ${OMEN_NODE} ${split} $<TARGET_FILE:omendb_wasm> ${later} ${parts} BYPRODUCTS ${parts})
    omen_wasm_optimize(omendb_wasm ${parts})
  endif()
  # Languages, each by itself: lang/omendb-lang-XX.wasm.
  foreach(language ${OMEN_LANGUAGES})
    string(SUBSTRING ${language} 0 2 code)
    if(NOT language IN_LIST omen_languages_inside)
      omen_snowball_sources(sources ${CMAKE_CURRENT_BINARY_DIR}/pinned/snowball_${code}.c ${language})
      add_executable(omendb_lang_${code} wasm/lang/lang.c ${sources})
      target_include_directories(omendb_lang_${code} PRIVATE cmake/deps)
      target_compile_options(omendb_lang_${code} PRIVATE -std=c11 -w -Oz -mbulk-memory -ffunction-sections -fdata-sections -flto)
      target_link_options(omendb_lang_${code} PRIVATE -mexec-model=reactor -Wl,--gc-sections,--strip-all,-O2,-z,stack-size=16384)
      set_target_properties(omendb_lang_${code} PROPERTIES OUTPUT_NAME omendb-lang-${code} RUNTIME_OUTPUT_DIRECTORY lang)
      omen_wasm_optimize(omendb_lang_${code})
    endif()
  endforeach()
elseif(OMEN_WASM_KIND STREQUAL "command")
  omen_wasm_library()
  file(GLOB command CONFIGURE_DEPENDS wasm/command/*.c)
  if(command)
    omen_wasm_module(omendb_command ${command})
    target_link_options(omendb_command PRIVATE ${link_flags} -Wl,--strip-all ${OMEN_WASI_MEMORY})
    set_target_properties(omendb_command PROPERTIES OUTPUT_NAME omendb-command)
    omen_wasm_optimize(omendb_command)
  endif()
elseif(OMEN_WASM_KIND STREQUAL "es-module")
  file(GLOB host CONFIGURE_DEPENDS wasm/*.c)
  omen_wasm_library()
  if(host)
    omen_wasm_module(omendb_es ${host})
    target_link_options(omendb_es PRIVATE -O2 --no-entry -sMODULARIZE=1 -sEXPORT_ES6=1 -sALLOW_MEMORY_GROWTH=1
                        -sTOTAL_STACK=1048576 -sERROR_ON_UNDEFINED_SYMBOLS=0 -sFILESYSTEM=0 -sSTRICT=1)
    set_target_properties(omendb_es PROPERTIES OUTPUT_NAME omendb SUFFIX .mjs)
  endif()
else()
  message(FATAL_ERROR "OMEN_WASM_KIND is '${OMEN_WASM_KIND}'; use reactor, command or es-module")
endif()
