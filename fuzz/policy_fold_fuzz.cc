/// Whatever the bytes: a folded text maps back to the raw one, and a part of it says nothing that the whole does not.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "policy/detect/fold.h"
#include "policy/detector.h"
#include "policy_fuzzing.h"

namespace {

using namespace sb::policy;
using fuzzing::require;

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

void check_map(const Fold& fold) {
  const std::size_t size = fold.text().size();
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t begin = fold.raw_begin(i);
    require(begin < fold.raw_end(i + 1) && fold.raw_end(i + 1) <= fold.raw_begin(i + 1));
    require(fold.from_raw(begin) == i);
    require(fold.character_before(i + 1) > 0);
  }
  require(fold.raw_begin(size) <= fold.raw().size());
}

void check_windows(const Fold& whole, const Fold& part) {
  for (std::size_t i = 0; i < part.text().size(); ++i) {
    std::size_t before = i;
    for (const std::size_t count : {1UL, kWindowBytes, Fold::kMaxSkip}) {
      const std::size_t end = part.skip_characters(i, count);
      require(before <= end);
      before = end;
      // Where the window is over nothing that comes changes it.
      const std::size_t now = whole.skip_characters(i, count);
      require(end > part.text().size() ? now >= part.text().size() : now == end);
    }
  }
}

// What a stream keeps: the end of what is decided as folded, the rest as it came.
void check_resumed(const Fold& whole, std::size_t index) {
  constexpr std::size_t kKept = 40;
  std::size_t first = index > kKept ? index - kKept : 0;
  while (first < index && is_continuation(whole.text()[first])) ++first;
  if (first == index) return;
  const auto before = static_cast<std::uint16_t>(index - first);
  const auto character = static_cast<std::uint16_t>(whole.character_before(index));
  const std::string kept =
      std::string(whole.text().substr(first, before)) + std::string(whole.raw().substr(whole.raw_begin(index)));
  Fold resumed;
  resumed.assign(kept, true, {before, character});
  require(resumed.text() == whole.text().substr(first));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMostBytes = 512;
  if (size < 2 || size > kMostBytes) return -1;
  const fuzzing::Input in({reinterpret_cast<const char*>(data), size});
  static Fold whole, part;  // with their memory
  whole.assign(in.text, true);
  check_map(whole);
  const std::size_t cut = std::min(in.step * 8, in.text.size());
  part.assign(in.text.substr(0, cut), false);
  require(part.folded_bytes() <= cut && whole.text().starts_with(part.text()));
  check_map(part);
  if (in.is_utf8) check_windows(whole, part);
  for (std::size_t i = 1; i <= whole.text().size(); i += in.step) check_resumed(whole, i);
  return 0;
}
