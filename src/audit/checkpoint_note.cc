#include "audit/checkpoint_note.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/bytes.h"

namespace sb::audit {
namespace {

constexpr char kEd25519 = 1;                         // signature type of signed-note
constexpr std::string_view kDash = "\xe2\x80\x94 ";  // em dash, blank
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMaxNoteBytes = 64 * 1024;
constexpr int kMaxSignatures = 64;

std::string_view view_of(const auto& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::array<std::uint8_t, 4> key_id_of(std::string_view name, std::string_view public_key) {
  std::string text(name);
  text += '\n';
  text += kEd25519;
  const Digest digest = sha256(text, public_key);
  std::array<std::uint8_t, 4> id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

bool is_key_name(std::string_view name) {
  return !name.empty() && name.find_first_of(" +\t\r\n") == std::string_view::npos && is_valid_utf8(name);
}

std::unexpected<Error> bad_note(const char* why) {
  return fail(Errc::corrupt, std::string("tree head: ") + why);
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

}  // namespace

std::string default_origin(std::string_view public_key) {
  const Digest digest = sha256(public_key);
  return "signalbox.local/log/" + to_hex(std::span(digest).first(8));
}

NoteVerifier::NoteVerifier(std::string name, std::string public_key)
    : name_(std::move(name)), public_key_(std::move(public_key)), id_(key_id_of(name_, public_key_)) {
  SB_ASSERT(is_key_name(name_) && public_key_.size() == kKeyBytes);
}

std::string NoteVerifier::to_string() const {
  return name_ + "+" + to_hex(id_) + "+" + to_base64(kEd25519 + public_key_);
}

Result<NoteVerifier> NoteVerifier::parse(std::string_view text) {
  const auto parts = split(trim(text), '+');
  // base64 may hold a plus itself: name and id end at the first two.
  if (parts.size() < 3 || !is_key_name(parts[0]))
    return fail(Errc::invalid_argument, "a verifier key is name+id+base64");
  const std::string_view trimmed = trim(text);
  const auto key = from_base64(trimmed.substr(parts[0].size() + parts[1].size() + 2));
  if (!key || key->size() != 1 + kKeyBytes || key->front() != kEd25519) {
    return fail(Errc::invalid_argument, "a verifier key ends in the base64 of an Ed25519 key of signed-note");
  }
  NoteVerifier verifier(std::string(parts[0]), key->substr(1));
  if (to_hex(verifier.id_) != parts[1])
    return fail(Errc::invalid_argument, "a verifier key's id does not fit its name and key");
  return verifier;
}

Result<std::string_view> NoteVerifier::open(std::string_view note) const {
  if (note.size() > kMaxNoteBytes) return bad_note("a signed note of more than 64 KiB");
  const std::size_t end = note.rfind("\n\n");
  if (end == std::string_view::npos || !note.ends_with('\n')) return bad_note("not a signed note");
  const bool has_control =
      std::ranges::any_of(note, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; });
  if (has_control || !is_valid_utf8(note)) return bad_note("a signed note with bytes that do not belong there");
  const std::string_view text = note.substr(0, end + 1);
  std::string_view lines = note.substr(end + 2);
  bool signed_by_us = false;
  for (int count = 0; !lines.empty(); ++count) {
    std::string_view line = take_line(lines);
    if (count == kMaxSignatures || !line.starts_with(kDash)) return bad_note("not a signed note");
    line.remove_prefix(kDash.size());
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return bad_note("not a signed note");
    const auto signature = from_base64(line.substr(blank + 1));
    if (!signature || signature->size() < 5) return bad_note("a signature that is not base64");
    if (line.substr(0, blank) != name_ || !signature->starts_with(view_of(id_))) continue;
    if (!verify_signature(public_key_, text, signature->substr(4))) return bad_note("its signature is false");
    signed_by_us = true;
  }
  if (!signed_by_us) return bad_note("it is not signed with this log's key");
  return text;
}

NoteSigner::NoteSigner(std::string name, SigningKey key)
    : key_(std::move(key)), verifier_(std::move(name), key_.public_key()) {}

std::string NoteSigner::sign(std::string_view text) const {
  SB_ASSERT(text.ends_with('\n'));
  const std::string signature = std::string(view_of(verifier_.key_id())) + key_.sign(text);
  std::string note(text);
  note += '\n';
  note += kDash;
  note += verifier_.name() + " " + to_base64(signature) + "\n";
  return note;
}

std::string tree_head_text(const TreeHead& head) {
  return head.origin + "\n" + std::to_string(head.size) + "\n" + to_base64(view_of(head.root)) + "\n";
}

Result<TreeHead> parse_tree_head(std::string_view text) {
  TreeHead head;
  head.origin = take_line(text);
  const std::string_view size = take_line(text);
  const auto root = from_base64(take_line(text));
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), head.size);
  const bool canonical_size =
      error == std::errc() && end == size.data() + size.size() && (size == "0" || size.front() != '0');
  if (head.origin.empty() || !canonical_size || !root || root->size() != head.root.size()) {
    return bad_note("not of the form origin, size, root");
  }
  std::memcpy(head.root.data(), root->data(), head.root.size());
  return head;
}

Result<TreeHead> open_tree_head(std::string_view note, const NoteVerifier& verifier) {
  SB_TRY(const std::string_view text, verifier.open(note));
  SB_TRY(TreeHead head, parse_tree_head(text));
  if (head.origin != verifier.name()) return bad_note("it is of another log");
  return head;
}

}  // namespace sb::audit
