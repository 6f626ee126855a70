// `cache`: answers that are given again.
#include "config/declaration/sections.h"

namespace sb::config {
namespace {

auto semantic_section() {
  using S = SemanticCacheConfig;
  return declare<S>("Answers to questions that are like the one asked: see docs/triage.md.")
      .path("file", &S::file,
            {.about = "What `signalbox triage likeness` learnt of labelled texts: how alike two questions must be.",
             .required = true})
      .path(
          "encoder", &S::encoder,
          {.about = "The sentence encoder that was learnt with; `make encoder` makes one. The server refuses another.",
           .required = true})
      .integer(
          "compared", &S::compared,
          {.about = "Questions that one is compared with, at most: those in the same scope with the same kept words; "
                    "of more the oldest go.",
           .min = 1,
           .max = 100'000});
}

}  // namespace

Declaration<CacheConfig> cache_section() {
  using C = CacheConfig;
  return declare<C>("Requests that a recorded run has answered before need not go to a model again.")
      .integer("exact_ttl_s", &C::exact_ttl_s,
               {.about = "How long the very same request is answered as before, within one tenant, policy, flow and "
                         "model; where the policy finds something in it, for the same key and person alone. 0: never.",
                .unit = "s",
                .max = 86'400})
      .integer("exact_entries", &C::exact_entries,
               {.about = "Answers that can be found again; of more the oldest go.", .min = 1, .max = 10'000'000})
      .integer(
          "memory_mb", &C::memory_mb,
          {.about = "What they may take, sealed as they are on disk: some 600 bytes an answer and the answer's own "
                    "length. Of more the oldest go.",
           .unit = "MiB",
           .min = 1,
           .max = 1'000'000})
      .section("semantic", &C::semantic, semantic_section(),
               {.about = "Answers questions that are only like one that was answered, too. Off where it is left out; "
                         "needs exact_ttl_s."});
}

}  // namespace sb::config
