#include "script/worker.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "script/javascript.h"
#include "script/sandbox.h"

namespace sb::script {
namespace {

bool read_all(char* at, std::size_t size) {
  while (size > 0) {
    const ssize_t got = read(0, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_all(const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t put = write(1, bytes.data() + at, bytes.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += static_cast<std::size_t>(put);
  }
  return true;
}

}  // namespace

int script_worker_main() {
  tzset();  // reads TZ, and files, now: local dates must not try to later
  if (const auto walls = enter_sandbox(); !walls) {
    std::fprintf(stderr, "%s\n", walls.error().detail.c_str());
    return 2;
  }
  std::string body;
  while (true) {
    char prefix[4];
    if (!read_all(prefix, 4)) return 0;
    const std::uint32_t size = read_u32(prefix);
    if (size < kRequestHeaderBytes || size > kMaxFrameBytes) return 3;
    body.resize(size);
    if (!read_all(body.data(), size)) return 3;
    const std::uint32_t source_size = read_u32(body.data() + 12);
    if (source_size > size - kRequestHeaderBytes) return 3;
    const std::string_view rest = std::string_view(body).substr(kRequestHeaderBytes);
    const JavaScriptCall call{rest.substr(0, source_size), rest.substr(source_size), read_u32(body.data()),
                              read_u32(body.data() + 4), read_u32(body.data() + 8)};
    const auto answer = run_javascript(call);
    std::string frame;
    append_u32(frame, static_cast<std::uint32_t>(answer.text.size() + 1));
    frame += static_cast<char>(answer.outcome);
    frame += answer.text;
    if (!write_all(frame)) return 0;
  }
}

}  // namespace sb::script
