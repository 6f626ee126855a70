/// The bytes of the columns `body`, `question`, `verdict` and `pack` (pure).
///
/// A format byte (0 as is, 1 zstd, 4 zstd with record_texts.h, 5 as is up to a length and from there on as 4; 2 and 3
/// as 4 and 5, with the dictionary of earlier programs), then the content. A body is a sequence of sections: tag,
/// length, content. Lengths and integers are LEB128; stored forms are never changed, new ones get a new tag or format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace sb::store::sqlite {

inline constexpr std::size_t kCompressAbove = 64 * 1024;
inline constexpr std::size_t kMaxColumnBytes = std::size_t{256} << 20;

/// A step as the store tells it from others of its run.
struct StepKey {
  std::uint32_t index = 0;
  std::uint32_t attempt = 0;
  bool operator==(const StepKey&) const = default;
  std::uint64_t packed() const { return std::uint64_t{index} << 32 | attempt; }
};

/// Builds a body: payloads first, then steps.
class BodyWriter {
 public:
  /// For payloads of so many bytes in all.
  void reserve(std::size_t size) { payloads_.reserve(size); }
  void input(std::string_view input);
  void state(const RunRow& run);  ///< state, output, vault
  void step(const StepRow& step);
  void chunk(const StreamChunk& chunk);
  void checkpoint(const Checkpoint& checkpoint);
  /// Copies one section of another body, its tag included.
  void section(std::string_view raw);

  bool empty() const { return payloads_.empty() && steps_.empty(); }
  /// The column, format 0.
  std::string plain() const;
  /// The column with steps compressed as compress_record would. Payloads are sealed: they get no shorter however long
  /// one looks, and looking took 5 us for a prompt of 2 KB.
  std::string packed() const;

 private:
  std::string payloads_;
  std::string steps_;
};

/// What a body holds, as far as the caller asks. Views into the unpacked bytes.
struct Body {
  std::optional<std::string_view> input;
  struct State {
    std::string_view state, output, vault;
  };
  std::optional<State> state;
  std::vector<std::string_view> steps;  ///< content of each step's section
  std::vector<std::string_view> chunks;
  std::vector<std::string_view> checkpoints;
};

/// `unpacked`: what unpack() returned. Errors: corrupt.
Result<Body> parse_body(std::string_view unpacked);
Result<StepKey> parse_step_key(std::string_view section);
Result<StepRow> parse_step(std::string_view section);
Result<StreamChunk> parse_chunk(std::string_view section);
Result<Checkpoint> parse_checkpoint(std::string_view section);

/// A column of `content`: as is, or compressed where that pays.
std::string pack_column(std::string_view content);
/// The same for bytes that already begin with format byte 0.
std::string compress_if_large(std::string column);
/// The same for what runs have in common, however short.
std::string compress_record(std::string column);
/// Content without the format byte; decompressed into `buffer` where need be. Errors: corrupt.
Result<std::string_view> unpack(std::string_view column, std::string& buffer);

/// A copy of the body column without the steps of `drop`.
Result<std::string> without_steps(std::string_view column, const std::vector<StepKey>& drop);

/// A copy of the body column without input, state, stream and checkpoints: what the steps were, not what passed through
/// them nor what they said when they failed.
Result<std::string> without_payloads(std::string_view column);

/// C2SP entry bundle: each leaf as 2 bytes of length (big-endian) and its bytes.
inline constexpr std::size_t kMaxLeafBytes = 0xffff;
void append_leaf(std::string& pack, std::string_view leaf);
/// Writes the length that stands at `at` before a leaf that was appended in place. REQUIRES size <= kMaxLeafBytes.
void set_leaf_size(std::string& pack, std::size_t at, std::size_t size);
/// Takes the first leaf off `pack`. Errors: corrupt.
Result<std::string_view> take_leaf(std::string_view& pack);

}  // namespace sb::store::sqlite
