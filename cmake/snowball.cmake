# Stemmers and stop words. Snowball's algorithms come as programs in its own language; its compiler, built for this machine, turns them into C, once a
# build folder. The stop words are those of the Snowball project as Lingua::StopWords hands them on.

omen_pinned(snowball https://github.com/snowballstem/snowball/archive/refs/tags/v2.2.0.tar.gz
            425cdb5fba13a01db59a1713780f0662e984204f402d3dae1525bda9e6d30f1a)
omen_pinned(stopwords https://cpan.metacpan.org/authors/id/W/WO/WOLLMERS/Lingua-StopWords-0.12.tar.gz
            398d56ed4210a915180bb211e77beb1cfad695f714722452345b426475a535c3)

# Code and name, ascending; src/text/stem.c has the same list.
set(OMEN_LANGUAGES ar=arabic ca=catalan da=danish de=german el=greek en=english es=spanish eu=basque fi=finnish fr=french ga=irish hi=hindi hu=hungarian
  hy=armenian id=indonesian it=italian lt=lithuanian ne=nepali nl=dutch no=norwegian pt=portuguese ro=romanian ru=russian sr=serbian sv=swedish
  ta=tamil tr=turkish yi=yiddish)
# WebAssembly is downloaded: English is inside, each other language a module of its own.
set(OMEN_WASM_LANGUAGES "en=english" CACHE STRING "Languages inside the WebAssembly module, as in OMEN_LANGUAGES")
set(omen_languages_inside ${OMEN_LANGUAGES})
if(OMEN_WASM OR OMEN_EMSCRIPTEN)
  set(omen_languages_inside ${OMEN_WASM_LANGUAGES})
endif()

set(snowball_folder ${CMAKE_CURRENT_BINARY_DIR}/pinned/snowball)
file(MAKE_DIRECTORY ${snowball_folder})

# The compiler runs here, whatever the build is for.
set(snowball_compiler ${snowball_folder}/compiler)
if(NOT EXISTS ${snowball_compiler})
  find_program(OMEN_HOST_CC NAMES cc gcc clang clang-19 REQUIRED)
  file(GLOB compiler_sources ${snowball_SOURCE_DIR}/compiler/*.c)
  list(FILTER compiler_sources EXCLUDE REGEX "generator_[a-z]+\\.c$")
  execute_process(COMMAND ${OMEN_HOST_CC} -O1 -w -DDISABLE_JAVA -DDISABLE_JS -DDISABLE_PYTHON -DDISABLE_CSHARP -DDISABLE_PASCAL -DDISABLE_GO
    -DDISABLE_RUST -DDISABLE_ADA -o ${snowball_compiler} ${compiler_sources} COMMAND_ERROR_IS_FATAL ANY)
endif()

# omen_snowball_stemmer(name): NAME.c in the folder, the stemmer for UTF-8 without the functions that allocate for it.
function(omen_snowball_stemmer name)
  set(file ${snowball_folder}/${name}.c)
  if(EXISTS ${file})
    return()
  endif()
  execute_process(COMMAND ${snowball_compiler} ${snowball_SOURCE_DIR}/algorithms/${name}.sbl -o ${snowball_folder}/${name}.new
    -eprefix omen_snowball_${name}_ -r . -utf8 COMMAND_ERROR_IS_FATAL ANY)
  file(READ ${snowball_folder}/${name}.new.c text)
  if(NOT text MATCHES "SN_create_env\\([0-3], [0-8]\\)")
    message(FATAL_ERROR "${name}.sbl needs more registers than cmake/deps/snowball.c has")
  endif()
  string(REGEX REPLACE "extern struct SN_env [*] [a-z_]+_create_env\\(void\\) {[^}]*}" "" text "${text}")
  string(REGEX REPLACE "extern void [a-z_]+_close_env\\(struct SN_env [*] z\\) {[^}]*}" "" text "${text}")
  string(REPLACE "\"./" "\"" text "${text}")
  file(WRITE ${file} "${text}")
  file(REMOVE ${snowball_folder}/${name}.new.c ${snowball_folder}/${name}.new.h)
endfunction()

# omen_snowball_table(OUT languages...): the C file that lists the languages and their stop words.
function(omen_snowball_table out)
  set(declared "")
  set(rows "")
  foreach(language ${ARGN})
    string(REGEX MATCH "^(..)=(.*)$" matched ${language})
    set(code ${CMAKE_MATCH_1})
    set(name ${CMAKE_MATCH_2})
    string(APPEND declared "int omen_snowball_${name}_stem(struct SN_env *);\n")
    string(TOUPPER ${code} upper)
    set(list ${stopwords_SOURCE_DIR}/lib/Lingua/StopWords/${upper}.pm)
    if(EXISTS ${list})
      file(READ ${list} text)
      string(REGEX MATCH "return qw\\(([^)]*)\\)" matched "${text}")
      string(REGEX MATCHALL "[^ \r\n\t]+" words "${CMAKE_MATCH_1}")
      list(REMOVE_DUPLICATES words)
      list(FILTER words EXCLUDE REGEX "[-.]") # which are no part of words
      list(SORT words COMPARE STRING)
      list(JOIN words "\\0\"\n    \"" joined)
      string(APPEND declared "static const char stops_${code}[] =\n    \"${joined}\\0\";\n")
      string(APPEND rows "    {\"${code}\", omen_snowball_${name}_stem, stops_${code}, sizeof stops_${code} - 1},\n")
    else()
      string(APPEND rows "    {\"${code}\", omen_snowball_${name}_stem, \"\", 0},\n")
    endif()
  endforeach()
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT
    "/* Made by cmake/snowball.cmake. */\n#include \"omen_snowball.h\"\n\n${declared}\nconst omen_snowball_language omen_snowball_languages[] = {\n${rows}    {0, 0, 0, 0},\n};\n")
endfunction()

# omen_snowball_sources(OUT table languages...): what to compile for these languages.
function(omen_snowball_sources out table)
  set(sources ${PROJECT_SOURCE_DIR}/cmake/deps/snowball.c ${table})
  foreach(language ${ARGN})
    string(REGEX REPLACE "^..=" "" name ${language})
    omen_snowball_stemmer(${name})
    list(APPEND sources ${snowball_folder}/${name}.c)
  endforeach()
  omen_snowball_table(${table} ${ARGN})
  # The runtime's names get a prefix, so that a program may link a libstemmer of its own as well.
  set(renamed "")
  foreach(name create_s lose_s skip_utf8 skip_b_utf8 in_grouping_U in_grouping_b_U out_grouping_U out_grouping_b_U in_grouping in_grouping_b
      out_grouping out_grouping_b eq_s eq_s_b eq_v eq_v_b find_among find_among_b replace_s slice_from_s slice_from_v slice_del insert_s insert_v
      slice_to assign_to len_utf8 debug)
    list(APPEND renamed ${name}=omen_snowball_${name})
  endforeach()
  set_source_files_properties(${sources} PROPERTIES COMPILE_DEFINITIONS "${renamed}"
    INCLUDE_DIRECTORIES "${snowball_SOURCE_DIR}/runtime;${PROJECT_SOURCE_DIR}/cmake/deps")
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

omen_snowball_sources(snowball_sources ${CMAKE_CURRENT_BINARY_DIR}/pinned/snowball_languages.c ${omen_languages_inside})
