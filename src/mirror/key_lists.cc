#include "mirror/key_lists.h"

#include <fmt/format.h>

#include "mirror/wire.h"

namespace sb::mirror {

std::string encode_list(SealedKind kind, const std::vector<ListEntry>& entries) {
  std::string out;
  for (const ListEntry& entry : entries) {
    put_number(out, static_cast<std::uint64_t>(entry.no));
    put_bytes(out, entry.subject);
    put_bytes(out, entry.sealed);
    if (kind != SealedKind::token) continue;
    put_bytes(out, entry.tenant);
    put_bytes(out, entry.token);
  }
  return out;
}

Result<std::vector<ListEntry>> parse_list(SealedKind kind, std::string_view bytes) {
  Input in(bytes);
  std::vector<ListEntry> entries;
  while (in.more()) {
    ListEntry entry;
    entry.no = static_cast<std::int64_t>(in.number());
    entry.subject = in.bytes();
    entry.sealed = in.bytes();
    if (kind == SealedKind::token) {
      entry.tenant = in.bytes();
      entry.token = in.bytes();
    }
    entries.push_back(std::move(entry));
  }
  if (in.failed()) return fail(Errc::corrupt, "mirror: a list of keys has the wrong shape");
  return entries;
}

bool take_out(SealedKind kind, std::vector<ListEntry>& entries, const std::set<std::int64_t>& erased) {
  if (kind == SealedKind::token)
    return std::erase_if(entries, [&](const ListEntry& entry) { return erased.contains(entry.no); }) > 0;
  bool changed = false;
  for (ListEntry& entry : entries) {
    if (entry.sealed.empty() || !erased.contains(entry.no)) continue;
    entry = ListEntry{entry.no, {}, {}, {}, {}};
    changed = true;
  }
  return changed;
}

ListName name_of(const ListSpan& list, const Segment& segment) {
  return {true, segment.number, tag_of(segment.lineage), list.first, list.last};
}
ListName name_of(const ListSpan& list, const SnapshotId& snapshot) {
  return {false, snapshot.group, snapshot.tag, list.first, list.last};
}

std::string list_prefix(SealedKind kind) {
  return kind == SealedKind::token ? "tokens/" : "keys/";
}

std::string text_of(SealedKind kind, const ListName& name) {
  return fmt::format("{}{}{}-{}-{}-{}", list_prefix(kind), name.of_segment ? "" : "s", padded(name.number), name.tag,
                     name.first, name.last);
}

std::optional<ListName> parse_list_name(std::string_view text) {
  text.remove_prefix(text.rfind('/') + 1);
  ListName name;
  name.of_segment = !text.starts_with('s');
  if (!name.of_segment) text.remove_prefix(1);
  std::string_view parts[4];
  for (auto& part : parts) {
    const auto end = text.find('-');
    part = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  const auto number = number_of(parts[0]);
  const auto first = number_of(parts[2]);
  const auto last = number_of(parts[3]);
  if (!number || !first || !last || !text.empty()) return std::nullopt;
  name.number = *number;
  name.tag = parts[1];
  name.first = static_cast<std::int64_t>(*first);
  name.last = static_cast<std::int64_t>(*last);
  return name;
}

}  // namespace sb::mirror
