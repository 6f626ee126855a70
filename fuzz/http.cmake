add_executable(http_request_fuzz ${CMAKE_CURRENT_LIST_DIR}/http_request_fuzz.cc)
target_link_libraries(http_request_fuzz PRIVATE sb_http)
target_link_options(http_request_fuzz PRIVATE -fsanitize=fuzzer)
