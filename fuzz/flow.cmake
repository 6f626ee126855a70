add_executable(flow_fuzz ${CMAKE_CURRENT_LIST_DIR}/flow_fuzz.cc)
target_link_libraries(flow_fuzz PRIVATE sb_flow)
target_link_options(flow_fuzz PRIVATE -fsanitize=fuzzer)
