// Bytes that a damaged or forged mirror may hold, or a spool that power loss tore: segments, lists of keys and their
// names, manifests, sealed objects, records of groups.
#include <algorithm>

#include "base/clock.h"
#include "mirror/key_lists.h"
#include "mirror/segment.h"
#include "mirror/snapshot.h"
#include "mirror/spool.h"

using namespace sb;

static void segment(std::string_view bytes) {
  const auto parsed = mirror::parse_segment(bytes);
  SB_ASSERT(!parsed || mirror::encode_segment(*parsed) == bytes);
}

static void list(mirror::SealedKind kind, std::string_view bytes) {
  auto parsed = mirror::parse_list(kind, bytes);
  if (!parsed) return;
  SB_ASSERT(mirror::encode_list(kind, *parsed) == bytes);
  std::set<std::int64_t> all;
  for (const auto& entry : *parsed) all.insert(entry.no);
  mirror::take_out(kind, *parsed, all);
  SB_ASSERT(std::ranges::all_of(*parsed, [](const auto& entry) { return entry.sealed.empty(); }));
}

static void name(std::string_view text) {
  const auto parsed = mirror::parse_list_name(text);
  if (parsed && parsed->first >= 0 && parsed->last >= 0)
    SB_ASSERT(mirror::parse_list_name(mirror::text_of(mirror::SealedKind::token, *parsed)) == parsed);
  (void)mirror::snapshot_of(text).has_value();
  (void)mirror::parse_manifest({1, "tag"}, text).has_value();
}

static void object(std::string_view bytes) {
  static const std::string key(32, 'k');
  static SeededEntropy entropy(1);
  SB_ASSERT(!mirror::open_object(key, "secrets", bytes).has_value());  // or AES-256-GCM is broken
  SB_ASSERT(mirror::open_object(key, "secrets", mirror::seal_object(key, "secrets", bytes, entropy)) == bytes);
}

static void spool(std::string_view bytes) {
  for (const auto& [mark, group] : mirror::parse_spool(bytes)) {
    const auto again = mirror::parse_spool(mirror::spool_record(group));
    SB_ASSERT(again.size() == 1 && again.begin()->first == mark);
  }
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      segment(text);
      break;
    case 1:
      list(mirror::SealedKind::data_key, text);
      break;
    case 2:
      list(mirror::SealedKind::token, text);
      break;
    case 3:
      name(text);
      break;
    case 4:
      object(text);
      break;
    default:
      spool(text);
  }
  return 0;
}
