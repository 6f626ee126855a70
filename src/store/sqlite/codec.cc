#include "store/sqlite/codec.h"

#include <zstd.h>

#include <algorithm>
#include <memory>

#include "store/sqlite/record_texts.h"

namespace sb::store::sqlite {
namespace {

enum class Tag : char { input = 1, state = 2, step = 3, chunk = 4, checkpoint = 5 };
constexpr char kRaw = 0;
constexpr char kZstd = 1;
constexpr char kZstdFirstRecord = 2;  // with the dictionary that earlier programs had; only read
constexpr char kZstdFirstSteps = 3;   // payloads as they are, behind their length; then the steps as in the one before
constexpr char kZstdRecord = 4;       // with the dictionary that was learnt
constexpr char kZstdSteps = 5;
constexpr int kZstdLevel = 1;
constexpr std::string_view kErased = "null";  // JSON: that there was something, and not what

std::unexpected<Error> damaged(const char* what) {
  return fail(Errc::corrupt, std::string("database: a stored ") + what + " has the wrong shape; restore from a backup");
}

void put_number(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void put_bytes(std::string& out, std::string_view bytes) {
  put_number(out, bytes.size());
  out += bytes;
}

std::size_t size_of_number(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

// Money may be negative (a refund): zigzag keeps small numbers short.
std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

// Reads what the put_ functions wrote; sticky failure.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }
  std::string_view bytes() {
    const std::uint64_t size = number();
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return {};
    }
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::int64_t signed_number() { return unzigzag(number()); }
  std::string text() { return std::string(bytes()); }
  char tag() {
    if (rest_.empty()) {
      failed_ = true;
      return 0;
    }
    const char tag = rest_.front();
    rest_.remove_prefix(1);
    return tag;
  }
  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// A section's length comes before its content and is as long as it needs to be: content first, then moved by the
// length's size.
template <class Fill>
void put_section(std::string& out, Tag tag, Fill fill) {
  out.push_back(static_cast<char>(tag));
  const std::size_t begin = out.size();
  fill();
  const std::size_t size = out.size() - begin;
  std::string length;
  length.reserve(size_of_number(size));
  put_number(length, size);
  out.insert(begin, length);
}

struct FreeZstd {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// Dictionaries are never freed: threads that are still at it when the process ends use them.

/// Compresses what runs have in common. The dictionary's identity is left out: the format byte says which it is.
ZSTD_CCtx* record_compressor() {
  static const ZSTD_CDict* const texts = ZSTD_createCDict(record_texts().data(), record_texts().size(), kZstdLevel);
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeZstd> context = [] {
    std::unique_ptr<ZSTD_CCtx, FreeZstd> made(ZSTD_createCCtx());
    ZSTD_CCtx_refCDict(made.get(), texts);
    ZSTD_CCtx_setParameter(made.get(), ZSTD_c_dictIDFlag, 0);
    return made;
  }();
  return context.get();
}

ZSTD_DCtx* decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeZstd> context(ZSTD_createDCtx());
  return context.get();
}

/// Null: `format` has none.
const ZSTD_DDict* texts_to_read(char format) {
  static const ZSTD_DDict* const first = ZSTD_createDDict(first_record_texts().data(), first_record_texts().size());
  static const ZSTD_DDict* const learnt = ZSTD_createDDict(record_texts().data(), record_texts().size());
  if (format == kZstdFirstRecord || format == kZstdFirstSteps) return first;
  return format == kZstd ? nullptr : learnt;
}

/// `column` in that format, where it is shorter so. `compress`: as ZSTD_compress, but for context and level.
template <class Compress>
std::string compressed(std::string column, char format, Compress compress) {
  const std::string_view content = std::string_view(column).substr(1);
  std::string packed(1 + ZSTD_compressBound(content.size()), format);
  const std::size_t size = compress(packed.data() + 1, packed.size() - 1, content.data(), content.size());
  if (ZSTD_isError(size) || size >= content.size()) return column;
  packed.resize(1 + size);
  return packed;
}

}  // namespace

void BodyWriter::input(std::string_view input) {
  payloads_.push_back(static_cast<char>(Tag::input));
  put_bytes(payloads_, input);
}

void BodyWriter::state(const RunRow& run) {
  put_section(payloads_, Tag::state, [&] {
    put_bytes(payloads_, run.state);
    put_bytes(payloads_, run.output);
    put_bytes(payloads_, run.vault);
  });
}

void BodyWriter::step(const StepRow& step) {
  put_section(steps_, Tag::step, [&] {
    put_number(steps_, static_cast<std::uint32_t>(step.index));
    put_number(steps_, step.attempt);
    put_number(steps_, zigzag(step.started_us));
    put_number(steps_, zigzag(step.ended_us - step.started_us));
    put_number(steps_, zigzag(step.cost));
    for (const std::string* text : {&step.name, &step.ref, &step.kind, &step.output, &step.decision, &step.error}) {
      put_bytes(steps_, *text);
    }
  });
}

void BodyWriter::chunk(const StreamChunk& chunk) {
  put_section(payloads_, Tag::chunk, [&] {
    put_number(payloads_, chunk.first_event);
    put_bytes(payloads_, chunk.data);
  });
}

void BodyWriter::checkpoint(const Checkpoint& checkpoint) {
  put_section(payloads_, Tag::checkpoint, [&] {
    put_number(payloads_, static_cast<std::uint32_t>(checkpoint.step));
    put_bytes(payloads_, checkpoint.sealed);
  });
}

void BodyWriter::section(std::string_view raw) {
  (static_cast<Tag>(raw.front()) == Tag::step ? steps_ : payloads_) += raw;
}

std::string BodyWriter::plain() const {
  std::string column;
  column.reserve(1 + payloads_.size() + steps_.size());
  column.push_back(kRaw);
  return column.append(payloads_).append(steps_);
}

std::string BodyWriter::packed() const {
  std::string column;
  column.reserve(16 + payloads_.size() + ZSTD_compressBound(steps_.size()));
  column.push_back(kZstdSteps);
  put_bytes(column, payloads_);
  const std::size_t at = column.size();
  column.resize(at + ZSTD_compressBound(steps_.size()));
  const std::size_t size =
      ZSTD_compress2(record_compressor(), column.data() + at, column.size() - at, steps_.data(), steps_.size());
  if (ZSTD_isError(size) || at + size > payloads_.size() + steps_.size()) return plain();
  column.resize(at + size);
  return column;
}

Result<Body> parse_body(std::string_view unpacked) {
  Body body;
  Input in(unpacked);
  while (!in.at_end()) {
    const auto tag = static_cast<Tag>(in.tag());
    const std::string_view content = in.bytes();
    if (in.failed()) return damaged("run");
    switch (tag) {
      case Tag::input:
        body.input = content;
        break;
      case Tag::state: {
        Input fields(content);
        auto& state = body.state.emplace();
        state.state = fields.bytes();
        state.output = fields.bytes();
        state.vault = fields.bytes();
        if (fields.failed() || !fields.at_end()) return damaged("state");
        break;
      }
      case Tag::step:
        body.steps.push_back(content);
        break;
      case Tag::chunk:
        body.chunks.push_back(content);
        break;
      case Tag::checkpoint:
        body.checkpoints.push_back(content);
        break;
      default:
        return damaged("run");
    }
  }
  return body;
}

Result<StepKey> parse_step_key(std::string_view section) {
  Input in(section);
  const StepKey key{static_cast<std::uint32_t>(in.number()), static_cast<std::uint32_t>(in.number())};
  if (in.failed()) return damaged("step");
  return key;
}

Result<StepRow> parse_step(std::string_view section) {
  Input in(section);
  StepRow step;
  step.index = static_cast<StepIndex>(in.number());
  step.attempt = static_cast<std::uint32_t>(in.number());
  step.started_us = in.signed_number();
  step.ended_us = step.started_us + in.signed_number();
  step.cost = in.signed_number();
  for (std::string* text : {&step.name, &step.ref, &step.kind, &step.output, &step.decision, &step.error})
    *text = in.text();
  if (in.failed() || !in.at_end()) return damaged("step");
  return step;
}

Result<StreamChunk> parse_chunk(std::string_view section) {
  Input in(section);
  StreamChunk chunk;
  chunk.first_event = in.number();
  chunk.data = in.text();
  if (in.failed() || !in.at_end()) return damaged("stream chunk");
  return chunk;
}

Result<Checkpoint> parse_checkpoint(std::string_view section) {
  Input in(section);
  Checkpoint checkpoint;
  checkpoint.step = static_cast<StepIndex>(in.number());
  checkpoint.sealed = in.text();
  if (in.failed() || !in.at_end()) return damaged("checkpoint");
  return checkpoint;
}

std::string compress_if_large(std::string column) {
  if (column.size() <= kCompressAbove) return column;
  return compressed(std::move(column), kZstd, [](auto... where) { return ZSTD_compress(where..., kZstdLevel); });
}

std::string compress_record(std::string column) {
  return compressed(std::move(column), kZstdRecord,
                    [](auto... where) { return ZSTD_compress2(record_compressor(), where...); });
}

std::string pack_column(std::string_view content) {
  std::string column;
  column.reserve(content.size() + 1);
  column.push_back(kRaw);
  column += content;
  return compress_if_large(std::move(column));
}

Result<std::string_view> unpack(std::string_view column, std::string& buffer) {
  if (column.empty()) return damaged("value");
  const char format = column.front();
  Input in(column.substr(1));
  if (format == kRaw) return in.rest();
  if (format < kZstd || format > kZstdSteps) return damaged("value");
  const bool body = format == kZstdFirstSteps || format == kZstdSteps;
  const std::string_view payloads = body ? in.bytes() : std::string_view();
  const std::string_view frame = in.rest();
  const auto size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (in.failed() || size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > kMaxColumnBytes)
    return damaged("value");
  buffer.assign(payloads);
  buffer.resize(payloads.size() + size);
  char* const out = buffer.data() + payloads.size();
  const std::size_t written =
      ZSTD_decompress_usingDDict(decompressor(), out, size, frame.data(), frame.size(), texts_to_read(format));
  if (written != size) return damaged("value");
  return std::string_view(buffer);
}

Result<std::string> without_steps(std::string_view column, const std::vector<StepKey>& drop) {
  std::string buffer;
  SB_TRY(const std::string_view content, unpack(column, buffer));
  BodyWriter kept;
  Input in(content);
  std::size_t begin = 0;
  while (!in.at_end()) {
    const auto tag = static_cast<Tag>(in.tag());
    const std::string_view section = in.bytes();
    if (in.failed()) return damaged("run");
    const auto end = static_cast<std::size_t>(section.data() + section.size() - content.data());
    bool wanted = true;
    if (tag == Tag::step) {
      SB_TRY(const StepKey key, parse_step_key(section));
      wanted = std::ranges::find(drop, key) == drop.end();
    }
    if (wanted) kept.section(content.substr(begin, end - begin));
    begin = end;
  }
  return kept.packed();
}

// An empty state stays where one was: a run that has ended must have one.
Result<std::string> without_payloads(std::string_view column) {
  std::string buffer;
  SB_TRY(const std::string_view content, unpack(column, buffer));
  SB_TRY(const Body body, parse_body(content));
  BodyWriter kept;
  for (const std::string_view section : body.steps) {
    SB_TRY(StepRow step, parse_step(section));
    if (!step.output.empty()) step.output = kErased;
    if (!step.error.empty()) step.error = kErased;
    kept.step(step);
  }
  if (body.state) kept.state(RunRow());
  return kept.packed();
}

void append_leaf(std::string& pack, std::string_view leaf) {
  const std::size_t at = pack.size();
  pack.append(2, '\0');
  pack += leaf;
  set_leaf_size(pack, at, leaf.size());
}

void set_leaf_size(std::string& pack, std::size_t at, std::size_t size) {
  SB_ASSERT(size <= kMaxLeafBytes);
  pack[at] = static_cast<char>(size >> 8);
  pack[at + 1] = static_cast<char>(size & 0xff);
}

Result<std::string_view> take_leaf(std::string_view& pack) {
  if (pack.size() < 2) return damaged("audit leaf");
  const auto size =
      static_cast<std::size_t>(static_cast<unsigned char>(pack[0]) << 8 | static_cast<unsigned char>(pack[1]));
  if (pack.size() < 2 + size) return damaged("audit leaf");
  const auto leaf = pack.substr(2, size);
  pack.remove_prefix(2 + size);
  return leaf;
}

}  // namespace sb::store::sqlite
