# Headers that many files read, compiled once for all of them. Only in the presets that join files too (release, test); in the
# others each file shows that it includes what it needs.
# hnx_precompile(TARGET KIND [DEPENDS ...])   KIND: program, or test (with GoogleTest, not optimized: what is tested is). With
#                                            gRPC and our messages for a target that depends on them.
# CLI11 and <iostream> stay out: what they define at namespace level would be made again in each file.
set(HNX_PRECOMPILED "${CMAKE_UNITY_BUILD}")
# _FORTIFY_SOURCE warns where nothing is optimized.
set(HNX_UNOPTIMIZED -O0 -U_FORTIFY_SOURCE)

function(hnx_precompiled_headers name)
  cmake_parse_arguments(arg "" "" "HEADERS;DEPENDS" ${ARGN})
  set(source ${CMAKE_BINARY_DIR}/precompiled/${name}.cc)
  if(NOT EXISTS ${source})
    file(WRITE ${source} "")
  endif()
  add_library(hnx_precompiled_${name} OBJECT ${source})
  target_include_directories(hnx_precompiled_${name} PRIVATE ${CMAKE_SOURCE_DIR}/libs)
  target_link_libraries(hnx_precompiled_${name} PRIVATE fmt::fmt spdlog::spdlog ${arg_DEPENDS} hnx_flags)
  target_precompile_headers(hnx_precompiled_${name} PRIVATE ${arg_HEADERS})
endfunction()

function(hnx_precompile target kind)
  set(ours ${ARGN})
  list(FILTER ours INCLUDE REGEX "^hnx_")
  if(NOT HNX_PRECOMPILED OR NOT ours)
    return()
  endif()
  set(with_rpc ${ours})
  list(FILTER with_rpc INCLUDE REGEX "^hnx_(rpc|proto|coordinator_(cli|rpc)|worker|worker_test_support)$")
  if(with_rpc)
    string(APPEND kind _rpc)
  endif()
  if(kind MATCHES "^test")
    target_compile_options(${target} PRIVATE ${HNX_UNOPTIMIZED})
  endif()
  target_precompile_headers(${target} REUSE_FROM hnx_precompiled_${kind})
endfunction()

if(HNX_PRECOMPILED)
  set(headers
    <algorithm> <array> <atomic> <chrono> <cstdint> <deque> <filesystem> <functional> <map> <memory> <optional> <random> <set>
    <span> <string> <string_view> <thread> <utility> <variant> <vector>
    <fmt/format.h> <nlohmann/json.hpp> <spdlog/spdlog.h>
    <base/bytes.h> <base/check.h> <base/clock.h> <base/file.h> <base/log.h> <base/mutex.h> <base/result.h>)
  set(rpc_headers <grpcpp/grpcpp.h> <hypercore_nixos/v1/coordinator.grpc.pb.h>)
  hnx_precompiled_headers(program HEADERS ${headers})
  hnx_precompiled_headers(program_rpc HEADERS ${headers} ${rpc_headers} DEPENDS hnx_proto)
  if(HNX_BUILD_TESTS)
    set(test_headers <gtest/gtest.h> <gmock/gmock.h>)
    hnx_precompiled_headers(test HEADERS ${headers} ${test_headers} DEPENDS GTest::gmock GTest::gtest_main)
    hnx_precompiled_headers(test_rpc HEADERS ${headers} ${rpc_headers} ${test_headers}
      DEPENDS hnx_proto GTest::gmock GTest::gtest_main)
    target_compile_options(hnx_precompiled_test PRIVATE ${HNX_UNOPTIMIZED})
    target_compile_options(hnx_precompiled_test_rpc PRIVATE ${HNX_UNOPTIMIZED})
  endif()
endif()
