# cmake --install: headers, both libraries, the command line, and a pkg-config file.

include(GNUInstallDirs)
install(TARGETS omendb omendb_shared
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(TARGET omendb_cli)
  install(TARGETS omendb_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/omendb.pc.in ${CMAKE_CURRENT_BINARY_DIR}/omendb.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/omendb.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${OMEN_NOTICES} DESTINATION ${CMAKE_INSTALL_DOCDIR})
