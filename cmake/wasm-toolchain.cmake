# WebAssembly with the tools of the WASI SDK: clang, wasm-ld and wasi-libc as Debian ships them.
set(CMAKE_SYSTEM_NAME WASI)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
find_program(OMEN_WASM_CLANG NAMES clang-19 clang REQUIRED)
find_program(OMEN_WASM_AR NAMES llvm-ar-19 llvm-ar REQUIRED)
find_program(OMEN_WASM_RANLIB NAMES llvm-ranlib-19 llvm-ranlib REQUIRED)
set(CMAKE_C_COMPILER ${OMEN_WASM_CLANG})
set(CMAKE_C_COMPILER_TARGET wasm32-wasi)
set(CMAKE_AR ${OMEN_WASM_AR})
set(CMAKE_RANLIB ${OMEN_WASM_RANLIB})
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# CMake knows no "WASI" platform; say what it would have said.
set(UNIX 1)
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR}/modules)

# C tests of the wasi-command preset run under Node's WASI.
set(CMAKE_CROSSCOMPILING_EMULATOR "node;--no-warnings;${CMAKE_CURRENT_LIST_DIR}/run-wasi.mjs")
