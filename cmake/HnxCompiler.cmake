# Compiler flags, sanitizers and ccache: one place.
find_program(HNX_CCACHE ccache)
if(HNX_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # base_dir and hash_dir let build directories share objects.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${HNX_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
endif()

add_library(hnx_flags INTERFACE)
target_compile_options(hnx_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Werror
  -fno-omit-frame-pointer
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  # At -O2 g++ 12 warns of uninitialised and dangling members inside its own <variant> and <optional>, and of
  # bounds inside std::vector::insert that cannot be passed.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-restrict -Wno-free-nonheap-object -Wno-array-bounds
  -Wno-stringop-overflow>)
if(CMAKE_UNITY_BUILD)
  # Said of a class whose members' types lie in an unnamed namespace; that it is of this file alone gets lost here.
  target_compile_options(hnx_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
if(HNX_SANITIZE)
  add_compile_options(-fsanitize=${HNX_SANITIZE} -fno-sanitize-recover=all -g1)
  add_link_options(-fsanitize=${HNX_SANITIZE})
endif()

# Against bugs that are not found yet: in what is shipped, and in the tests of just that. Not with sanitizers, which find more
# and whose interceptors do not know the checked functions.
set(optimized FALSE)
if(CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo|MinSizeRel)$" AND NOT HNX_SANITIZE)
  set(optimized TRUE)
endif()
option(HNX_HARDEN "Flags that make bugs harder to exploit" ${optimized})
if(HNX_HARDEN)
  # As definitions, which stand before options: what is not optimized takes it back (HNX_UNOPTIMIZED).
  add_compile_definitions(_FORTIFY_SOURCE=3 _GLIBCXX_ASSERTIONS)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -fPIE)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    add_compile_options(-fcf-protection=full)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    add_compile_options(-mbranch-protection=standard)
  endif()
  # The same binary from every folder.
  add_compile_options(-ffile-prefix-map=${CMAKE_BINARY_DIR}=build -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
