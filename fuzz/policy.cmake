add_executable(policy_fuzz ${CMAKE_CURRENT_LIST_DIR}/policy_fuzz.cc)
target_link_libraries(policy_fuzz PRIVATE sb_policy)
target_link_options(policy_fuzz PRIVATE -fsanitize=fuzzer)
