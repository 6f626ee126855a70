add_executable(mirror_fuzz ${CMAKE_CURRENT_LIST_DIR}/mirror_fuzz.cc)
target_link_libraries(mirror_fuzz PRIVATE sb_mirror)
target_link_options(mirror_fuzz PRIVATE -fsanitize=fuzzer)
