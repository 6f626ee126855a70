// Bytes that a damaged or forged record may hold, or a witness or time-stamping authority may answer: leaves, signed
// notes, keys, packed rows, JSON to be made canonical, time stamps.
#include "audit/checkpoint_note.h"
#include "audit/cosignature.h"
#include "audit/leaf.h"
#include "audit/merkle.h"
#include "audit/timestamp_token.h"
#include "base/canonical_json.h"
#include "store/sqlite/codec.h"

using namespace sb;

static void canonical(std::string_view text) {
  std::string once;
  if (!append_canonical_text(once, text)) return;
  std::string twice;
  // RFC 8785 writes doubles up to 1e21 as integers, the parser reads none beyond 64 bits.
  SB_ASSERT(!append_rewritten(twice, once).has_value() || once == twice);
}

static void leaf_of(std::string_view text) {
  store::LeafDraft draft;
  draft.kind = "k";
  draft.summary = std::string(text);
  draft.actor = text.substr(0, text.size() / 2);
  const auto leaf = audit::parse_leaf(audit::encode_leaf(LeafIndex{7}, draft));
  SB_ASSERT(leaf && leaf->seq == 7);
  (void)audit::parse_leaf(text).has_value();
}

static void packed(std::string_view column) {
  std::string buffer;
  const auto content = store::sqlite::unpack(column, buffer);
  if (!content) return;
  if (const auto body = store::sqlite::parse_body(*content)) {
    for (const auto section : body->steps) (void)store::sqlite::parse_step(section).has_value();
    for (const auto section : body->chunks) (void)store::sqlite::parse_chunk(section).has_value();
  }
  (void)store::sqlite::without_steps(column, {{0, 1}}).has_value();
  for (std::string_view rest = *content; !rest.empty() && store::sqlite::take_leaf(rest);) {
  }
}

static void answer(std::string_view text) {
  static const audit::NoteKey key(audit::NoteKeyType::cosignature, "example.com/log", std::string(32, 'k'));
  static const auto witness = *audit::WitnessKey::parse(key.to_string());
  (void)witness.find(text).has_value();
  (void)audit::WitnessKey::parse(text).has_value();
  (void)audit::told_size(text).has_value();
  (void)audit::check_timestamp(text, {"stamped", std::nullopt, ""}).has_value();
}

static void note(std::string_view text) {
  static const audit::NoteSigner signer("example.com/log", *SigningKey::from_seed(std::string(32, 's')));
  SB_ASSERT(!audit::open_tree_head(text, signer.verifier()).has_value() ||
            text.find("example.com/log") != std::string_view::npos);
  (void)audit::parse_tree_head(text).has_value();
  (void)audit::NoteVerifier::parse(text).has_value();
  (void)audit::CompactRange::parse(text.size() / 32, text).has_value();
  answer(text);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      canonical(text);
      break;
    case 1:
      leaf_of(text);
      break;
    case 2:
      packed(text);
      break;
    default:
      note(text);
  }
  return 0;
}
