/// A MiniLM-class sentence encoder in process: one text in, one vector out that lies near the vectors of texts with the
/// same meaning. The eyes of triage's tier 1.
///
/// BERT with 8-bit weights (Devlin et al., 2019; Wang et al., "MiniLM", 2020), mean-pooled (Reimers and Gurevych,
/// 2019). Weights come from a file that `signalbox triage encoder` makes; nothing is fetched. About a millisecond for a
/// support query on one core; time grows with the pieces of the text, at most kMaxPieces.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "triage/encoder/int8_gemm.h"

namespace sb::triage {

/// Pieces of a text that are read, [CLS] and [SEP] included: about 70 English words. A support query has 15.
inline constexpr std::size_t kMaxPieces = 96;

/// The means after this many last blocks (all, where fewer have looked) make the vector: earlier blocks know words,
/// later ones meaning, and heads on all of them were two to four points better than on the last alone (Banking77,
/// HWU64, CLINC150).
inline constexpr std::size_t kPooledBlocks = 4;

/// An encoder as plain data: what the file holds.
struct EncoderData {
  struct Layer {
    std::vector<std::int8_t> weights;  ///< [outputs][inputs]
    std::vector<float> scales;         ///< [outputs]
    std::vector<float> biases;         ///< [outputs]
  };
  struct Norm {
    std::vector<float> gain;
    std::vector<float> bias;
  };
  struct Block {
    Layer query_key_value;  ///< the three one below the other
    Layer attention_out;
    Norm attention_norm;
    Layer up;
    Layer down;
    Norm out_norm;
  };

  std::uint32_t width = 0;
  std::uint32_t heads = 0;
  std::uint32_t inner = 0;
  std::string vocabulary;           ///< one piece a line
  std::vector<std::int8_t> pieces;  ///< [vocabulary][width]
  std::vector<float> piece_scales;  ///< [vocabulary]
  std::vector<float> positions;     ///< [kMaxPieces][width], the sentence's type vector included
  Norm input_norm;
  std::vector<Block> blocks;
  std::string origin;  ///< SHA-256 of the weights it was converted from
};

/// What the encoder says of a text.
struct Encoding {
  std::vector<float> vector;  ///< [Encoder::dimension(blocks)]
  std::uint32_t blocks = 0;   ///< that have looked at the text
  std::uint32_t pieces = 0;
  std::uint32_t unknown = 0;  ///< pieces outside the vocabulary
  bool truncated = false;
  std::vector<float> hidden = {};  ///< [pieces][width]: where go_on() begins; means nothing once all blocks have looked
};

/// Immutable; any number of threads may encode at once (scratch space is a thread's own). Cheap to copy (shared).
class Encoder {
 public:
  /// Reads an encoder file. Errors: not_found, too_large, corrupt, unsupported; `detail` names the file.
  static Result<Encoder> load_file(const std::string& path);
  /// REQUIRES: as decode_encoder() checks. `kernel`: for tests that compare the two.
  static Result<Encoder> from_data(const EncoderData& data, std::string version,
                                   Int8Gemm::Kernel kernel = Int8Gemm::best());

  /// Reuses `out`'s memory.
  void encode(std::string_view text, Encoding& out) const { begin(text, blocks(), out); }

  /// The first `blocks` alone, and later the others: together what encode() does, bit for bit.
  void begin(std::string_view text, std::size_t blocks, Encoding& out) const;
  /// REQUIRES: `encoding` is of this encoder.
  void go_on(Encoding& encoding) const;

  std::size_t blocks() const;
  std::size_t dimension() const { return dimension(blocks()); }
  /// Of a vector after the first `blocks`.
  std::size_t dimension(std::size_t blocks) const { return width() * std::min(kPooledBlocks, blocks); }
  /// Of one block's mean; those of the last blocks stand one behind the other, the last one last.
  std::size_t width() const;
  /// First 16 hex digits of the file's SHA-256: heads are for one encoder only.
  const std::string& version() const;

 private:
  struct State;
  explicit Encoder(std::shared_ptr<const State> state);
  std::shared_ptr<const State> state_;
};

/// The file: "SBENCODE", u32 version, u64 size of the rest, SHA-256 of the rest, a JSON header (u32 size), the arrays.
std::string encode_encoder(const EncoderData& data);
/// Errors: corrupt, unsupported (another version of the format).
Result<EncoderData> decode_encoder(std::string_view bytes);

/// Converts the weights of a BERT-like sentence encoder: `folder` holds config.json, vocab.txt and model.safetensors.
/// Errors: not_found, corrupt, unsupported (another architecture).
Result<EncoderData> convert_encoder(const std::string& folder);

}  // namespace sb::triage
