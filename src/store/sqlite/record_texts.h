/// What steps and leaves of most runs say, as dictionaries for zstd: a step of some 400 bytes has little that repeats
/// in itself, and nearly nothing that was not said before. Columns are packed under them: a dictionary never changes, a
/// better one gets formats of its own (codec.h).
#pragma once

#include <string_view>

namespace sb::store::sqlite {

/// Of formats 4 and 5: the file record_texts.bin, made from databases by scripts/learn-record-texts.
std::string_view record_texts();

/// Of formats 2 and 3, which are only read.
std::string_view first_record_texts();

}  // namespace sb::store::sqlite
