#include "policy/split_values.h"

#include <fmt/format.h>

#include <algorithm>

namespace sb::policy {
namespace {

// Of each end of a text: room for a private key.
constexpr std::size_t kEdgeBytes = 4096;
// Stands for what is not looked at: the middle of a long text, a value that was found.
constexpr std::string_view kGap = "\n\n\n";

/// The texts' ends, put together.
class Joined {
 public:
  Joined(std::span<const std::string> texts, const std::vector<PartCut>& cuts, std::string_view seam) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (i > 0 && cuts[i - 1].sealed)
        add_gap();
      else if (i > 0)
        text_ += seam;
      const auto text = std::string_view(texts[i]).substr(cuts[i].begin, cuts[i].end - cuts[i].begin);
      if (text.size() <= 2 * kEdgeBytes) {
        add(i, cuts[i].begin, text);
        continue;
      }
      add(i, cuts[i].begin, text.substr(0, kEdgeBytes));
      add_gap();
      add(i, cuts[i].end - kEdgeBytes, text.substr(text.size() - kEdgeBytes));
    }
  }

  struct Piece {
    std::size_t text;   ///< which
    std::size_t begin;  ///< in it
    std::size_t at;     ///< in the joined text
    std::size_t size;
  };
  const std::string& text() const { return text_; }
  /// What lies behind a gap is somewhere else.
  Span up_to_gap(Span span) const {
    const auto gap = std::ranges::lower_bound(gaps_, span.begin);
    return {span.begin, gap == gaps_.end() ? span.end : std::min(span.end, *gap)};
  }
  /// Those that the span touches, cut to it.
  std::vector<Piece> touched(Span span) const {
    std::vector<Piece> found;
    auto piece = std::ranges::upper_bound(pieces_, span.begin, {}, [](const Piece& one) { return one.at + one.size; });
    for (; piece != pieces_.end() && piece->at < span.end; ++piece) {
      const std::size_t begin = std::max(piece->at, span.begin);
      const std::size_t end = std::min(piece->at + piece->size, span.end);
      if (begin < end) found.push_back({piece->text, piece->begin + begin - piece->at, begin, end - begin});
    }
    return found;
  }

 private:
  void add_gap() {
    gaps_.push_back(text_.size());
    text_ += kGap;
  }
  void add(std::size_t which, std::size_t begin, std::string_view bytes) {
    pieces_.push_back({which, begin, text_.size(), bytes.size()});
    text_ += bytes;
  }

  std::string text_;
  std::vector<Piece> pieces_;
  std::vector<std::size_t> gaps_;
};

void cut(const std::vector<Joined::Piece>& pieces, std::string replacement, std::vector<PartCut>& cuts) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    PartCut& one = cuts[pieces[i].text];
    const bool first = i == 0, last = i + 1 == pieces.size();
    if (first) {
      one.end = pieces[i].begin;
      one.behind = std::move(replacement);
    } else {
      one.begin = last ? pieces[i].begin + pieces[i].size : one.end;
    }
    one.sealed = one.sealed || !last;
  }
}

Result<> scan_joined(const Policy& policy, GuardContext& context, const Joined& joined, ScanResult& scan) {
  try {
    policy.scanner(context.direction).scan(joined.text(), {}, true, {}, weigh_by(policy, context), scan);
  } catch (...) {
    return fail(Errc::internal, fmt::format("policy {}: a detector failed; nothing passes", policy.name()));
  }
  return {};
}

using SeamCounts = bool (*)(const Finding&, std::string_view);

// A value that stands in one text whole.
struct Whole {
  Joined::Piece piece;
  std::string_view type;
  bool acts;
};

// In their order.
std::vector<Whole> whole_values(const Joined& apart, const ScanResult& scan) {
  std::vector<Whole> whole;
  for (const auto& finding : scan.findings) {
    const auto touched = apart.touched(apart.up_to_gap(finding.span));
    if (touched.size() == 1) whole.push_back({touched.front(), finding.type, finding.weight == Weight::acts});
  }
  return whole;
}

// What would cut a value of one text in two is none: "an@x.org" and "bo@x.org" are not "an@x.orgbo". With `strict`, nor
// is what one text has whole already: "030 901820" and "17 of them".
bool belongs_to_one(const Joined::Piece& piece, std::string_view type, const std::vector<Whole>& whole, bool strict) {
  const auto place = [](const Whole& one) { return std::pair(one.piece.text, one.piece.begin + one.piece.size); };
  auto one = std::ranges::upper_bound(whole, std::pair(piece.text, piece.begin), {}, place);
  const std::size_t end = piece.begin + piece.size;
  for (; one != whole.end() && one->piece.text == piece.text && one->piece.begin < end; ++one) {
    const bool is_cut = one->piece.begin < piece.begin || one->piece.begin + one->piece.size > end;
    if (is_cut && one->acts) return true;
    if (strict && one->type == type) return true;
  }
  return false;
}

Result<Verdict> cut_joined(const Policy& policy, GuardContext& context, const Joined& joined,
                           const std::vector<Whole>& whole, ScanResult& scan, std::vector<PartCut>& cuts,
                           std::vector<GuardedFinding>& findings, SeamCounts counts) {
  SB_CHECK(scan_joined(policy, context, joined, scan));
  Verdict verdict = Verdict::allow;
  for (Finding finding : scan.findings) {
    finding.span = joined.up_to_gap(finding.span);
    const auto pieces = joined.touched(finding.span);
    if (pieces.size() < 2) continue;  // it is found where it stands
    const auto is_one = [&](const auto& piece) {
      return belongs_to_one(piece, finding.type, whole, counts != nullptr);
    };
    if (std::ranges::any_of(pieces, is_one)) continue;
    const auto value = std::string_view(joined.text()).substr(finding.span.begin, finding.span.size());
    if (counts != nullptr && !counts(finding, value)) continue;
    if (finding.weight != Weight::acts || finding.beside) {
      verdict = std::max(verdict, record_untouched(policy, context, finding, value, findings));
      continue;
    }
    std::string replacement;
    SB_TRY(const Verdict one, apply_finding(policy, context, finding, value, replacement, findings));
    verdict = std::max(verdict, one);
    if (one != Verdict::allow) cut(pieces, std::move(replacement), cuts);
  }
  return verdict;
}

}  // namespace

Result<Verdict> cut_seams(const Policy& policy, GuardContext& context, std::span<const std::string> texts,
                          std::vector<PartCut>& cuts, std::vector<GuardedFinding>& findings, SeamCounts counts) {
  cuts.clear();
  for (const auto& text : texts) cuts.push_back({0, text.size()});
  ScanResult scan;
  const Joined apart(texts, cuts, kGap);
  SB_CHECK(scan_joined(policy, context, apart, scan));
  const auto whole = whole_values(apart, scan);
  Verdict verdict = Verdict::allow;
  for (const std::string_view seam : {" ", ""}) {
    SB_TRY(const Verdict one,
           cut_joined(policy, context, Joined(texts, cuts, seam), whole, scan, cuts, findings, counts));
    verdict = std::max(verdict, one);
  }
  return verdict;
}

}  // namespace sb::policy
