# Native targets: the static and the shared library, the command line and the Node-API addon.

find_package(Threads REQUIRED)

file(GLOB kernels CONFIGURE_DEPENDS native/kernel/*.c)
if(NOT OMEN_X86_64)
  list(FILTER kernels EXCLUDE REGEX "_(avx2|avx512|avx512vnni)\\.c$")
endif()
if(NOT OMEN_ARM64)
  list(FILTER kernels EXCLUDE REGEX "_(neon|dotprod)\\.c$")
endif()
omen_kernel_flags(${kernels})
file(GLOB host CONFIGURE_DEPENDS native/host/*.c)
add_library(omen_native OBJECT ${kernels} ${host} ${OMEN_NO_SOURCES})
omen_compile(omen_native)
target_compile_definitions(omen_native PRIVATE _GNU_SOURCE)
# libcrypto is looked for when a database is first opened with a key (native/host/encrypted_gcm.c): nothing links to it.
option(OMEN_ENCRYPTION "Encryption at rest with the libcrypto of the machine" ON)
if(NOT OMEN_ENCRYPTION)
  target_compile_definitions(omen_native PRIVATE OMEN_NO_ENCRYPTION)
endif()
target_include_directories(omen_native PRIVATE ${PROJECT_SOURCE_DIR}/native)
target_link_libraries(omen_native PRIVATE omen_deps)

set(omen_objects $<TARGET_OBJECTS:omen_core> $<TARGET_OBJECTS:omen_native> $<TARGET_OBJECTS:omen_deps>)

# Complete in itself: it contains the pinned libraries.
add_library(omendb STATIC ${omen_objects})
target_include_directories(omendb PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
target_link_libraries(omendb PUBLIC Threads::Threads ${CMAKE_DL_LIBS})

# Only src/, for the test that looks at its undefined symbols.
add_library(omen_core_archive STATIC $<TARGET_OBJECTS:omen_core>)

# Nothing but omen_* leaves the shared library.
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/omendb.map CONTENT "{ global: omen_*; local: *; };\n")
add_library(omendb_shared SHARED ${omen_objects})
target_include_directories(omendb_shared PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                           $<INSTALL_INTERFACE:include>)
target_link_options(omendb_shared PRIVATE -Wl,--gc-sections -Wl,--version-script=${CMAKE_CURRENT_BINARY_DIR}/omendb.map)
target_link_libraries(omendb_shared PUBLIC Threads::Threads ${CMAKE_DL_LIBS})
set_target_properties(omendb_shared PROPERTIES OUTPUT_NAME omendb VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR})

file(GLOB cli CONFIGURE_DEPENDS native/cli/*.c)
if(cli)
  add_executable(omendb_cli ${cli})
  omen_compile(omendb_cli)
  target_compile_definitions(omendb_cli PRIVATE _GNU_SOURCE)
  target_include_directories(omendb_cli PRIVATE ${PROJECT_SOURCE_DIR}/native)
  # omen_deps only for its headers: the objects are inside omendb already.
  target_include_directories(omendb_cli SYSTEM PRIVATE $<TARGET_PROPERTY:omen_deps,INTERFACE_INCLUDE_DIRECTORIES>)
  target_compile_definitions(omendb_cli PRIVATE $<TARGET_PROPERTY:omen_deps,INTERFACE_COMPILE_DEFINITIONS>)
  target_link_libraries(omendb_cli PRIVATE omendb)
  set_target_properties(omendb_cli PROPERTIES OUTPUT_NAME omendb)
endif()

# The addon for Node, Bun and Deno. Its headers come from the npm package node-api-headers.
file(GLOB addon CONFIGURE_DEPENDS native/node/*.c)
find_path(OMEN_NODE_API_HEADERS node_api.h NO_DEFAULT_PATH PATHS
  ${PROJECT_SOURCE_DIR}/js/node_modules/node-api-headers/include
  ${PROJECT_SOURCE_DIR}/node_modules/node-api-headers/include)
if(addon AND NOT OMEN_NODE_API_HEADERS)
  message(STATUS "node-api-headers not found: run 'npm ci' in js/ to build the Node-API addon")
elseif(addon AND NOT OMEN_SANITIZE)
  add_library(omendb_node MODULE ${addon})
  omen_compile(omendb_node)
  # The header's own macros define functions without declaring them.
  target_compile_options(omendb_node PRIVATE -Wno-missing-prototypes)
  target_compile_definitions(omendb_node PRIVATE _GNU_SOURCE NAPI_VERSION=8)
  target_include_directories(omendb_node SYSTEM PRIVATE ${OMEN_NODE_API_HEADERS})
  target_include_directories(omendb_node PRIVATE ${PROJECT_SOURCE_DIR}/native)
  target_link_libraries(omendb_node PRIVATE omendb)
  # The runtime supplies napi_*; nothing else may stay open, and nothing else is exported.
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/node.map
       CONTENT "{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n")
  target_link_options(omendb_node PRIVATE -Wl,--gc-sections
                      -Wl,--version-script=${CMAKE_CURRENT_BINARY_DIR}/node.map)
  set_target_properties(omendb_node PROPERTIES PREFIX "" OUTPUT_NAME omendb SUFFIX .node)
endif()
