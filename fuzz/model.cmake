# Provider streams: bytes of a hostile upstream through the event parser and both translations.
add_executable(model_stream_fuzz ${CMAKE_CURRENT_LIST_DIR}/model_stream_fuzz.cc)
target_link_options(model_stream_fuzz PRIVATE -fsanitize=fuzzer)
target_link_libraries(model_stream_fuzz PRIVATE sb_model)
