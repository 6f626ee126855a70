// The weights file as a part of the program, so that no configuration needs to say where it is.
#include "base/errors.h"
#include "policy/tagger/tagger_detector.h"

// The assembler copies the file: no compile time, no second form of it in the repository.
__asm__(
    ".section .rodata.sb_tagger_weights, \"a\"\n"
    ".global sb_tagger_weights_begin\n"
    ".global sb_tagger_weights_end\n"
    ".balign 16\n"
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

const std::shared_ptr<const tagger::Model>& shipped_tagger_model() {
  static const std::shared_ptr<const tagger::Model> model = [] {
    const std::string_view bytes(sb_tagger_weights_begin,
                                 static_cast<std::size_t>(sb_tagger_weights_end - sb_tagger_weights_begin));
    auto loaded = load_tagger_model(bytes, "built-in weights");
    SB_ASSERT(loaded.has_value());  // train.sh of src/policy/tagger makes them anew where the format has changed
    return *std::move(loaded);
  }();
  return model;
}

}  // namespace sb::policy
