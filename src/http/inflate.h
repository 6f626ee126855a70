/// gzip (RFC 1952), piece by piece and never more than asked for.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/errors.h"

struct z_stream_s;

namespace sb::http {

class Inflater {
 public:
  Inflater();
  ~Inflater();

  /// Unpacks into `out` (replaced) up to `bytes_max` bytes and cuts what was used off `in`. Call again while `in` has
  /// bytes or `out` came back full. Errors: invalid_argument (not gzip, or damaged).
  Result<> next(std::string_view& in, std::string& out, std::size_t bytes_max);
  /// True after the last byte of a member: the data is whole.
  bool finished() const { return finished_; }

 private:
  std::unique_ptr<z_stream_s> stream_;
  bool finished_ = false;
};

/// All of it at once. Errors: invalid_argument (damaged, or cut), too_large.
Result<std::string> gunzip(std::string_view packed, std::size_t bytes_max);

}  // namespace sb::http
