# How everything is compiled: language, warnings, sanitizers, linker, compiler cache.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(SB_FUZZ "Build the libFuzzer targets" OFF)
option(SB_BENCH "Build the benchmarks" OFF)
# The asan preset leaves out UBSan's null, alignment, vptr and object-size checks: they double the time to compile, and ASan
# sees what they would.
set(SB_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "Signalbox builds with clang 19 (g++ 12 miscompiles coroutines); use a preset of CMakePresets.json")
endif()

# simdjson's On-Demand front end picks its SIMD kernel when it is compiled, not when it runs: without AVX2 it falls back to
# plain code, three times slower. x86-64-v3 is every server processor since 2013; others set this to what they have.
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  set(SB_MARCH "-march=x86-64-v3;-mpclmul" CACHE STRING "Instruction set of the build")
endif()

add_library(sb_options INTERFACE)
target_compile_options(sb_options INTERFACE ${SB_MARCH}
  -Xclang -fno-pch-timestamp  # a header that was only touched (a package upgrade, a fresh clone) does not spoil the build
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Werror -Wno-error=deprecated-declarations
  -fstack-protector-strong -fno-omit-frame-pointer)
target_compile_definitions(sb_options INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_DISABLE_BOOST_COROUTINE
  # A recycled frame keeps the size of the one before it: small ones that live long would sit in large blocks.
  BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING
  SB_VERSION="${PROJECT_VERSION}")
target_link_options(sb_options INTERFACE -fuse-ld=lld-19 -Wl,--as-needed -Wl,-z,relro,-z,now)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(sb_options INTERFACE _FORTIFY_SOURCE=2)
endif()

if(SB_SANITIZE)
  # First failure stops the test: a report that scrolls by is a report nobody reads.
  target_compile_options(sb_options INTERFACE -fsanitize=${SB_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(sb_options INTERFACE -fsanitize=${SB_SANITIZE})
endif()

find_program(SB_CCACHE ccache)
if(SB_CCACHE)
  # Precompiled headers need these two relaxations (ccache manual, "Precompiled headers").
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SB_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
