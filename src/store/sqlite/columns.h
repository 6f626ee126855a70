/// How our types become columns.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "store/sqlite/sql.h"

namespace sb::store::sqlite {

/// The id's bytes; borrowed from `uuid`.
inline std::string_view blob_of(const Uuid& uuid) {
  return {reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()};
}

/// Zero where the column has another size.
inline Uuid uuid_of(std::string_view blob) {
  Uuid uuid;
  if (blob.size() == uuid.bytes.size()) std::memcpy(uuid.bytes.data(), blob.data(), blob.size());
  return uuid;
}

/// A hash in hex takes half the room as a blob; any other text stays text. Lives until the statement is reset.
class HexColumn {
 public:
  explicit HexColumn(std::string_view text) : text_(text) {
    if (text.size() != 64) return;
    if (auto raw = from_hex(text); raw && to_hex(as_u8(*raw)) == text) raw_ = std::move(*raw);
  }
  void bind(Statement& statement, int index) const {
    if (raw_.empty())
      statement.bind(index, text_);
    else
      statement.bind_blob(index, raw_);
  }
  static std::string read(const Statement& statement, int column) {
    return statement.is_blob(column) ? to_hex(as_u8(statement.bytes(column))) : statement.text(column);
  }

 private:
  std::string_view text_;
  std::string raw_;
};

}  // namespace sb::store::sqlite
