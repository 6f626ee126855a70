# Every library we link, in one place; docs/dependencies.md says what each is for.
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Boost 1.81.0 EXACT CONFIG REQUIRED COMPONENTS json)
find_package(simdjson 3 REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(yaml-cpp 0.7 REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
find_package(GTest 1.12 REQUIRED)
find_library(RE2_LIBRARY re2 REQUIRED)
add_library(re2 INTERFACE IMPORTED)
target_link_libraries(re2 INTERFACE ${RE2_LIBRARY})
find_path(ZSTD_INCLUDE zstd.h REQUIRED)
find_library(ZSTD_LIBRARY zstd REQUIRED)
find_library(RDKAFKA_LIBRARY rdkafka REQUIRED)
add_library(rdkafka INTERFACE IMPORTED)
target_link_libraries(rdkafka INTERFACE ${RDKAFKA_LIBRARY})
find_library(NGHTTP2_LIBRARY nghttp2 REQUIRED)
add_library(nghttp2 INTERFACE IMPORTED)
target_link_libraries(nghttp2 INTERFACE ${NGHTTP2_LIBRARY})
find_package(Protobuf 3.21 REQUIRED)
find_library(TCMALLOC_LIBRARY libtcmalloc_minimal.so.4 REQUIRED)

# Sources that scripts/install-deps unpacks from package registries, checked by hash (Debian has no package of them).
set(SB_THIRD_PARTY ${CMAKE_SOURCE_DIR}/.third_party CACHE PATH "Where scripts/install-deps put third-party sources")

add_library(llhttp STATIC EXCLUDE_FROM_ALL
  ${SB_THIRD_PARTY}/llhttp/src/api.c ${SB_THIRD_PARTY}/llhttp/src/http.c ${SB_THIRD_PARTY}/llhttp/src/llhttp.c)
target_include_directories(llhttp SYSTEM PUBLIC ${SB_THIRD_PARTY}/llhttp/include)
set_target_properties(llhttp PROPERTIES UNITY_BUILD OFF)

# The JavaScript engine of scripts; runs in sandboxed worker processes only (src/script). Not our code: no warnings.
add_library(quickjs STATIC EXCLUDE_FROM_ALL
  ${SB_THIRD_PARTY}/quickjs/quickjs.c ${SB_THIRD_PARTY}/quickjs/libregexp.c ${SB_THIRD_PARTY}/quickjs/libunicode.c
  ${SB_THIRD_PARTY}/quickjs/dtoa.c)
target_include_directories(quickjs SYSTEM PUBLIC ${SB_THIRD_PARTY}/quickjs)
target_compile_definitions(quickjs PRIVATE _GNU_SOURCE)
target_compile_options(quickjs PRIVATE -w -O2 -fwrapv -fno-sanitize=undefined)
set_target_properties(quickjs PROPERTIES C_STANDARD 11 C_EXTENSIONS ON UNITY_BUILD OFF)
target_link_libraries(quickjs PUBLIC m Threads::Threads)

# Asio is compiled once, here, and not in every file that includes it (STACK 6: a third of the compile time).
add_library(sb_asio STATIC ${CMAKE_SOURCE_DIR}/cmake/asio.cc)
target_link_libraries(sb_asio PUBLIC sb_options Boost::headers OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
target_precompile_headers(sb_asio PRIVATE ${CMAKE_SOURCE_DIR}/cmake/asio_pch.h)
