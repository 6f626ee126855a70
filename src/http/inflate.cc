#include "http/inflate.h"

#include <zlib.h>

#include <algorithm>

namespace sb::http {
namespace {
constexpr std::size_t kPieceBytes = 64 * 1024;
}

Inflater::Inflater() : stream_(std::make_unique<z_stream_s>()) {
  const int made = inflateInit2(stream_.get(), 15 + 16);  // zlib manual: +16 takes gzip and nothing else
  SB_ASSERT(made == Z_OK);
}

Inflater::~Inflater() {
  inflateEnd(stream_.get());
}

Result<> Inflater::next(std::string_view& in, std::string& out, std::size_t bytes_max) {
  out.resize(bytes_max);
  stream_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream_->avail_in = static_cast<uInt>(in.size());
  stream_->next_out = reinterpret_cast<Bytef*>(out.data());
  stream_->avail_out = static_cast<uInt>(bytes_max);
  int status = Z_OK;
  while (stream_->avail_in > 0 || (stream_->avail_out > 0 && status == Z_OK && !finished_)) {
    if (finished_) {  // RFC 1952 section 2.2: members may follow each other
      if (inflateReset(stream_.get()) != Z_OK) return fail(Errc::internal, "gzip: reset failed");
      finished_ = false;
    }
    status = inflate(stream_.get(), Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      finished_ = true;
    } else if (status == Z_BUF_ERROR) {
      break;  // no room or no input: the caller's turn
    } else if (status != Z_OK) {
      return fail(Errc::invalid_argument, "gzip: the data is damaged");
    }
    if (stream_->avail_out == 0) break;
  }
  in.remove_prefix(in.size() - stream_->avail_in);
  out.resize(bytes_max - stream_->avail_out);
  return {};
}

Result<std::string> gunzip(std::string_view packed, std::size_t bytes_max) {
  Inflater inflater;
  std::string out;
  std::string piece;
  do {
    SB_CHECK(inflater.next(packed, piece, kPieceBytes));
    if (out.size() + piece.size() > bytes_max) return fail(Errc::too_large, "gzip: more data than the limit allows");
    out += piece;
  } while (!packed.empty() || piece.size() == kPieceBytes);
  if (!inflater.finished()) return fail(Errc::invalid_argument, "gzip: the data ends early");
  return out;
}

}  // namespace sb::http
