// The weights file as a part of the program, so that no configuration needs to say where it is.
#include "base/errors.h"
#include "policy/tagger/tagger_detector.h"

// A row of weights lies within one line of the cache: the file begins so far behind one's border.
#define SB_BYTES_BEFORE "36"
static_assert((36 + sb::policy::tagger::kWeightsAt) % 64 == 0);

// The assembler copies the file: no compile time, no second form of it in the repository.
__asm__(
    ".section .rodata.sb_tagger_weights, \"a\"\n"
    ".global sb_tagger_weights_begin\n"
    ".global sb_tagger_weights_end\n"
    ".balign 64\n"
    ".skip " SB_BYTES_BEFORE
    "\n"
    "sb_tagger_weights_begin:\n"
    ".incbin \"" SB_TAGGER_WEIGHTS
    "\"\n"
    "sb_tagger_weights_end:\n"
    ".byte 0\n"
    ".previous\n");

extern "C" {
extern const char sb_tagger_weights_begin[];
extern const char sb_tagger_weights_end[];
}

namespace sb::policy {

std::string_view shipped_tagger_weights() {
  return {sb_tagger_weights_begin, static_cast<std::size_t>(sb_tagger_weights_end - sb_tagger_weights_begin)};
}

// Where they are: a server whose policy looks for no names never reads them.
const std::shared_ptr<const tagger::Model>& shipped_tagger_model() {
  static const std::shared_ptr<const tagger::Model> model = [] {
    auto view = tagger::view_model(shipped_tagger_weights(), "built-in weights");
    SB_ASSERT(view.has_value());  // train.sh of src/policy/tagger makes them anew where the format has changed
    return std::make_shared<const tagger::Model>(*std::move(view));
  }();
  return model;
}

}  // namespace sb::policy
