# hnx_library(NAME SOURCES ... DEPENDS ...)      static library hnx_NAME, included as "<folder>/<file>.h"
# hnx_program(NAME SOURCES ... DEPENDS ...)      executable build/bin/NAME
# hnx_test(NAME LABEL unit SOURCES ... DEPENDS ... [TIMEOUT s] [SHARDS n])   GoogleTest binary, one
#                                                ctest entry per binary, or n that share its tests
# hnx_fuzzer(NAME SOURCES file_fuzz.cc DEPENDS ...)  libFuzzer target with -DHNX_BUILD_FUZZERS=ON; always a
#                                                ctest entry that replays tests/fuzz/corpus/NAME under g++
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
# For tests, which are most of what is compiled. _FORTIFY_SOURCE warns where nothing is optimized.
set(HNX_UNOPTIMIZED -O0 -U_FORTIFY_SOURCE)

function(hnx_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(hnx_${name} STATIC ${arg_SOURCES})
  target_include_directories(hnx_${name} PUBLIC ${CMAKE_SOURCE_DIR}/libs ${CMAKE_SOURCE_DIR})
  target_link_libraries(hnx_${name} PUBLIC ${arg_DEPENDS} PRIVATE hnx_flags)
endfunction()

function(hnx_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} hnx_flags)
endfunction()

function(hnx_test name)
  if(NOT HNX_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT;SHARDS" "SOURCES;DEPENDS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} GTest::gmock GTest::gtest_main hnx_flags)
  # What is tested is optimized. So are properties and simulations themselves, which compute much.
  if(arg_LABEL MATCHES "^(unit|integration)$")
    target_compile_options(${name} PRIVATE ${HNX_UNOPTIMIZED})
  endif()
  set(environment "HNX_SOURCE_DIR=${CMAKE_SOURCE_DIR};HNX_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  if(NOT arg_SHARDS)
    set(arg_SHARDS 1)
  endif()
  foreach(shard RANGE 1 ${arg_SHARDS})
    set(test ${name})
    if(arg_SHARDS GREATER 1)
      string(APPEND test .${shard})
    endif()
    math(EXPR index "${shard} - 1")
    add_test(NAME ${test} COMMAND ${name})
    set_tests_properties(${test} PROPERTIES LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT}
      ENVIRONMENT "${environment};GTEST_TOTAL_SHARDS=${arg_SHARDS};GTEST_SHARD_INDEX=${index}")
  endforeach()
endfunction()

function(hnx_fuzzer name)
  if(NOT HNX_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  if(HNX_BUILD_FUZZERS)
    add_executable(${name} ${arg_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    # A short run; longer ones are made by hand: bin/NAME -max_total_time=3600 CORPUS
    add_test(NAME ${name} COMMAND ${name} -max_total_time=10 -rss_limit_mb=1024 -timeout=10
      ${CMAKE_BINARY_DIR}/corpus-${name} ${corpus})
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/corpus-${name})
  else()
    add_executable(${name} ${arg_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${name} COMMAND ${name} ${corpus})
  endif()
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} hnx_flags)
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()
