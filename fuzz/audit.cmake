add_executable(audit_fuzz ${CMAKE_CURRENT_LIST_DIR}/audit_fuzz.cc)
target_link_libraries(audit_fuzz PRIVATE sb_audit)
target_link_options(audit_fuzz PRIVATE -fsanitize=fuzzer)
