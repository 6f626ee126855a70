#include "audit/cosignature.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "base/bytes.h"

namespace sb::audit {
namespace {

constexpr std::size_t kTimeBytes = 8;

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

Result<WitnessKey> WitnessKey::parse(std::string_view text) {
  SB_TRY(NoteKey key, NoteKey::parse(NoteKeyType::cosignature, text));
  return WitnessKey(std::move(key));
}

Result<std::optional<Cosignature>> WitnessKey::find(std::string_view note) const {
  SB_TRY(const NoteParts parts, parse_note(note));
  for (const NoteSignature& signature : parts.signatures) {
    if (!key_.names(signature)) continue;
    const std::string_view stamped = std::string_view(signature.bytes).substr(kKeyIdBytes);
    const std::uint64_t time = big_endian(stamped.substr(0, kTimeBytes));
    // A time of 0 makes no statement about what the witness saw last.
    const bool good = stamped.size() > kTimeBytes && time > 0 && time <= std::numeric_limits<std::int64_t>::max() &&
                      verify_signature(key_.public_key(), fmt::format("cosignature/v1\ntime {}\n{}", time, parts.text),
                                       stamped.substr(kTimeBytes));
    if (!good) return fail(Errc::corrupt, fmt::format("tree head: the cosignature of {} is false", name()));
    return Cosignature{time, std::string(signature.line)};
  }
  return std::nullopt;
}

Result<Cosigners> check_quorum(std::string_view note, const Quorum& quorum) {
  Cosigners cosigners;
  for (const WitnessKey& witness : quorum.witnesses) {
    // A line that does not verify is none: one witness must not spoil what the others signed.
    if (const auto found = witness.find(note); found && *found) cosigners.emplace_back(witness.name(), (*found)->time);
  }
  if (cosigners.size() < quorum.needed) {
    return fail(Errc::corrupt, fmt::format("tree head: cosigned by {} of the {} witnesses given, the quorum is {}",
                                           cosigners.size(), quorum.witnesses.size(), quorum.needed));
  }
  return cosigners;
}

std::string add_checkpoint_body(std::uint64_t old_size, std::span<const Digest> proof, std::string_view note) {
  std::string body = fmt::format("old {}\n", old_size);
  for (const Digest& hash : proof) {
    body += to_base64({reinterpret_cast<const char*>(hash.data()), hash.size()});
    body += '\n';
  }
  body += '\n';
  body += note;
  return body;
}

std::optional<std::uint64_t> told_size(std::string_view body) {
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), size);
  if (error != std::errc() || std::string_view(end, body.data() + body.size()) != "\n") return std::nullopt;
  return size;
}

}  // namespace sb::audit
