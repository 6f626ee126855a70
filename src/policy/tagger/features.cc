#include "policy/tagger/features.h"

#include <algorithm>

namespace sb::policy::tagger {
namespace {

constexpr std::uint32_t kMulA = 0x9e3779b1U;
constexpr std::uint32_t kMulB = 0x85ebca77U;
constexpr std::uint32_t kMulC = 0xc2b2ae3dU;

constexpr std::uint32_t mix(std::uint32_t kind, std::uint32_t a, std::uint32_t b) {
  std::uint32_t hash = (a + kind * kMulC) * kMulA;
  hash = (hash ^ (hash >> 15) ^ b) * kMulB;
  return (hash ^ hash >> 13) * kMulC;
}

// 0..31: what it looks like, for conjunctions.
std::uint32_t look(const Token& t) {
  return static_cast<std::uint32_t>(t.shape);
}

// Word for words, shape alone for what has no word worth remembering.
std::uint32_t word_or_shape(const Token& t) {
  return t.shape == Shape::identifier || t.shape == Shape::overlong ? look(t) : t.word;
}

bool has_case(const Token& t, Shape shape) {
  return t.shape == shape;
}

// Whether capitals mean anything here: 0 no cased words around, 1 all small, 2 all capitals, 3 both.
std::uint32_t case_mode(const Neighbourhood& n) {
  bool small = false;
  bool capital = false;
  for (const auto* t : n.tokens) {
    small = small || has_case(*t, Shape::lower);
    capital = capital || has_case(*t, Shape::capitalised) || has_case(*t, Shape::upper) || has_case(*t, Shape::mixed);
  }
  return (capital ? 2U : 0U) + (small ? 1U : 0U);
}

}  // namespace

void extract_features(const Neighbourhood& n, std::array<std::uint32_t, kFeatures>& out) {
  const Token& t = *n.tokens[kBack];
  const Token& l1 = *n.tokens[kBack - 1];
  const Token& l2 = *n.tokens[kBack - 2];
  const Token& l3 = *n.tokens[kBack - 3];
  const Token& r1 = *n.tokens[kBack + 1];
  const Token& r2 = *n.tokens[kBack + 2];
  const Token& r3 = *n.tokens[kBack + 3];
  const std::uint32_t w = word_or_shape(t), wl1 = word_or_shape(l1), wl2 = word_or_shape(l2), wr1 = word_or_shape(r1),
                      wr2 = word_or_shape(r2);
  const std::uint32_t mode = case_mode(n);
  const auto gap = static_cast<std::uint32_t>(l1.shape == Shape::none ? Gap::line : t.gap);
  const auto gap_r = static_cast<std::uint32_t>(r1.gap);
  const std::uint32_t look0 = look(t) | mode << 5 | (t.accented ? 128U : 0U);
  const std::uint32_t gaz = t.gazetteer;
  const std::uint32_t kind = look0 | gaz << 8;  // shape and lists together
  const std::uint32_t kind_l1 = look(l1) | std::uint32_t{l1.gazetteer} << 8 | gap << 16;
  const std::uint32_t kind_r1 = look(r1) | std::uint32_t{r1.gazetteer} << 8 | gap_r << 16;
  const std::uint32_t kind_l2 = look(l2) | std::uint32_t{l2.gazetteer} << 8;
  const std::uint32_t kind_r2 = look(r2) | std::uint32_t{r2.gazetteer} << 8;
  const std::uint32_t length = std::min<std::uint32_t>(t.length, 12);
  // Collected first and mixed at the end: eight at a time.
  std::array<std::uint32_t, kFeatures> first;
  std::array<std::uint32_t, kFeatures> second;
  std::uint32_t f = 0;
  const auto put = [&](std::uint32_t a, std::uint32_t b = 0) { first[f] = a, second[f] = b, ++f; };
  put(w);
  put(w, look0);
  put(wl1, gap);
  put(wr1, gap_r);
  put(wl2);
  put(wr2);
  put(w, wl1);
  put(w, wr1);
  put(wl1, wr1 * 31 + look0);
  put(wl2 * 31 + wl1, look0);
  put(wr1 * 31 + wr2, look0);
  put(t.prefix3, mode);
  put(t.prefix4);
  put(t.suffix2, look0);
  put(t.suffix3, mode);
  put(t.suffix4);
  put(look0, gap | length << 4);
  put(kind, gap);
  put(kind, kind_l1);
  put(kind, kind_r1);
  put(kind_l1 * 8191 + look0, kind_r1);
  put(kind_l2 * 8191 + kind_l1, kind);
  put(kind_r2 * 8191 + kind_r1, kind);
  put(wl1, kind);
  put(wr1, kind);
  put(wl2, kind);
  put(wr2, kind);
  put(word_or_shape(l3), look0);
  put(word_or_shape(r3), look0);
  put(l1.suffix3, look0);
  put(r1.suffix3, look0);
  put(l1.suffix2 * 31 + look(t), r1.suffix2);
  put(n.field, look0);
  put(n.field, kind * 4 + gap);
  put(look(l2) | look(l1) << 5 | look(t) << 10 | look(r1) << 15 | look(r2) << 20);
  put(look(l3) | look(l2) << 5 | look(l1) << 10 | look(t) << 15 | gap << 20);
  put(look(t) | look(r1) << 5 | look(r2) << 10 | look(r3) << 15 | gap_r << 20);
  put(wl1 * 31 + wl2, word_or_shape(l3));
  put(w * 31 + wl1, wl2);
  put(t.suffix3 * 31 + t.prefix3, kind_l1);
  for (std::uint32_t i = 0; i < kFeatures; ++i) out[i] = mix(i + 1, first[i], second[i]);
}

}  // namespace sb::policy::tagger
