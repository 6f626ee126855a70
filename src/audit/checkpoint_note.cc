#include "audit/checkpoint_note.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/bytes.h"

namespace sb::audit {
namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // em dash, blank
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMaxSignatures = 64;

std::string_view view_of(const auto& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::array<std::uint8_t, 4> key_id_of(NoteKeyType type, std::string_view name, std::string_view public_key) {
  std::string text(name);
  text += '\n';
  text += static_cast<char>(type);
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

Result<NoteParts> parse_note(std::string_view note) {
  if (note.size() > kMaxNoteBytes) return bad_note("a signed note of more than 64 KiB");
  const std::size_t end = note.rfind("\n\n");
  if (end == std::string_view::npos || !note.ends_with('\n')) return bad_note("not a signed note");
  const bool has_control =
      std::ranges::any_of(note, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; });
  if (has_control || !is_valid_utf8(note)) return bad_note("a signed note with bytes that do not belong there");
  NoteParts parts{note.substr(0, end + 1), {}};
  for (std::string_view lines = note.substr(end + 2); !lines.empty();) {
    const std::string_view whole = lines.substr(0, lines.find('\n') + 1);
    std::string_view line = take_line(lines);
    if (parts.signatures.size() == kMaxSignatures || !line.starts_with(kDash)) return bad_note("not a signed note");
    line.remove_prefix(kDash.size());
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return bad_note("not a signed note");
    auto bytes = from_base64(line.substr(blank + 1));
    if (!bytes || bytes->size() <= kKeyIdBytes) return bad_note("a signature that is not base64");
    parts.signatures.push_back({line.substr(0, blank), *std::move(bytes), whole});
  }
  return parts;
}

NoteKey::NoteKey(NoteKeyType type, std::string name, std::string public_key)
    : type_(type),
      name_(std::move(name)),
      public_key_(std::move(public_key)),
      id_(key_id_of(type, name_, public_key_)) {
  SB_ASSERT(is_key_name(name_) && public_key_.size() == kKeyBytes);
}

std::string NoteKey::to_string() const {
  return name_ + "+" + to_hex(id_) + "+" + to_base64(static_cast<char>(type_) + public_key_);
}

Result<NoteKey> NoteKey::parse(NoteKeyType type, std::string_view text) {
  const auto parts = split(trim(text), '+');
  // base64 may hold a plus itself: name and id end at the first two.
  if (parts.size() < 3 || !is_key_name(parts[0]))
    return fail(Errc::invalid_argument, "a verifier key is name+id+base64");
  const std::string_view trimmed = trim(text);
  const auto key = from_base64(trimmed.substr(parts[0].size() + parts[1].size() + 2));
  if (!key || key->size() != 1 + kKeyBytes || key->front() != static_cast<char>(type)) {
    return fail(Errc::invalid_argument,
                type == NoteKeyType::ed25519
                    ? "a verifier key ends in the base64 of an Ed25519 key of signed-note (type 1)"
                    : "a witness's verifier key ends in the base64 of an Ed25519 cosignature key (type 4)");
  }
  NoteKey made(type, std::string(parts[0]), key->substr(1));
  if (to_hex(made.id_) != parts[1])
    return fail(Errc::invalid_argument, "a verifier key's id does not fit its name and key");
  return made;
}

bool NoteKey::names(const NoteSignature& signature) const {
  return signature.name == name_ && signature.bytes.starts_with(view_of(id_));
}

Result<NoteVerifier> NoteVerifier::parse(std::string_view text) {
  SB_TRY(NoteKey key, NoteKey::parse(NoteKeyType::ed25519, text));
  return NoteVerifier(std::move(key));
}

Result<std::string_view> NoteVerifier::open(std::string_view note) const {
  SB_TRY(const NoteParts parts, parse_note(note));
  bool signed_by_us = false;
  for (const NoteSignature& signature : parts.signatures) {
    if (!key_.names(signature)) continue;
    if (!verify_signature(key_.public_key(), parts.text, std::string_view(signature.bytes).substr(kKeyIdBytes)))
      return bad_note("its signature is false");
    signed_by_us = true;
  }
  if (!signed_by_us) return bad_note("it is not signed with this log's key");
  return parts.text;
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
