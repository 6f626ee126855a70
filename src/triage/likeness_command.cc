#include "triage/likeness_command.h"

#include <fmt/ostream.h>

#include <algorithm>
#include <ostream>
#include <random>
#include <unordered_map>
#include <unordered_set>

#include "base/files.h"
#include "triage/calibrate.h"
#include "triage/command_models.h"
#include "triage/likeness.h"
#include "triage/tune.h"

namespace sb::triage {

const std::string_view kLikenessHelp = R"(signalbox triage likeness --data FILE... (--out FILE | --with FILE) [options]

How alike two questions must be for the answer to one to be given to the other (cache.semantic): learnt from labelled
texts, as in train --help. Texts of one intent ask the same, texts of two do not. The texts come in a drawn order, each is
looked up among those before it, as in a cache; the threshold is the lowest at which, with the stated confidence, at most
a share of the hits is another intent's in traffic like the data. Words that must agree anyway (numbers, names, "not",
all but a closed list) are compared first, with and without a threshold.

  --out FILE            writes what was learnt
  --with FILE           measures what was learnt before, on texts it was not learnt from
  --cached FILE...      texts that are in the cache already, and are not asked
  --wrong-hits P        most hits that are another intent's (0.005)
  --confidence P        that the promise holds (0.95)
  --routes FILE         its "equivalent_intents" count as right for each other
  --show N              prints so many of the wrong hits, the nearest first: labels err, too
  --encoder FILE        as in train --help
)";

namespace {

struct Asked {
  const Example* example = nullptr;
  std::optional<ReadQuestion> question;
  std::int32_t square = 0;  // of the meaning's length
};

struct Hit {
  float similarity = 0;
  bool right = false;
  const Example* asked = nullptr;
  const Example* answered = nullptr;
};

// The texts of one kind of service: those of another are never beside them in a cache.
std::vector<Asked> read_all(const Encoder& encoder, const std::vector<Example>& examples) {
  std::vector<Asked> out;
  for (const auto& example : examples) {
    Asked one{&example, Likeness::read_question(encoder, example.text), 0};
    if (one.question) one.square = dot(one.question->meaning, one.question->meaning);
    out.push_back(std::move(one));
  }
  return out;
}

// A cache as the server has it: the nearest of those before, in the scope of the same kept words or in one for all.
class Rehearsed {
 public:
  Rehearsed(const RouteMap& routes, bool by_words) : routes_(routes), by_words_(by_words) {}

  std::optional<Hit> ask(const Asked& asked) const {
    const auto scope = scopes_.find(scope_of(asked));
    if (scope == scopes_.end()) return std::nullopt;
    Hit best;
    for (const Asked* other : scope->second) {
      const float similarity =
          cosine(dot(asked.question->meaning, other->question->meaning), asked.square, other->square);
      if (similarity > best.similarity) best = {similarity, false, asked.example, other->example};
    }
    if (best.similarity <= 0) return std::nullopt;
    best.right = is_right(*best.asked, *best.answered);
    return best;
  }
  void put(const Asked& asked) {
    scopes_[scope_of(asked)].push_back(&asked);
    texts_.insert(asked.example->text);
  }
  // The very same text is answered without a look at its meaning.
  bool has(const Asked& asked) const { return texts_.contains(asked.example->text); }

 private:
  std::string_view scope_of(const Asked& asked) const {
    return by_words_ ? std::string_view(asked.question->kept_words) : std::string_view();
  }
  // Two texts that fit no intent are two questions.
  bool is_right(const Example& asked, const Example& answered) const {
    return !asked.intent.ends_with("oos") && routes_.same_intent(asked.intent, answered.intent);
  }

  const RouteMap& routes_;
  const bool by_words_;
  std::unordered_map<std::string_view, std::vector<const Asked*>> scopes_;
  std::unordered_set<std::string_view> texts_;
};

struct Rehearsal {
  std::vector<Hit> hits;
  std::size_t texts = 0;

  std::size_t count(double threshold) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(hits, [&](const Hit& hit) { return hit.similarity >= threshold; }));
  }
  std::size_t wrong(double threshold) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(hits, [&](const Hit& hit) { return hit.similarity >= threshold && !hit.right; }));
  }
};

Rehearsal rehearse(const std::vector<Asked>& cached, const std::vector<Asked>& asked, const RouteMap& routes,
                   bool by_words) {
  Rehearsed cache(routes, by_words);
  for (const auto& one : cached) {
    if (one.question) cache.put(one);
  }
  Rehearsal out;
  for (const auto& one : asked) {
    if (cache.has(one)) continue;
    ++out.texts;
    if (!one.question) continue;
    if (const auto hit = cache.ask(one)) out.hits.push_back(*hit);
    cache.put(one);
  }
  return out;
}

void print_line(std::string_view name, const Rehearsal& rehearsal, double threshold, double confidence,
                std::ostream& out) {
  const auto hits = rehearsal.count(threshold), wrong = rehearsal.wrong(threshold);
  fmt::print(out,
             "  {:<22} at {:.4f}: {:5.2f} % of {} texts hit; {} wrong of {} ({:.2f} %), at most {:.2f} % with {:.0f} % "
             "confidence\n",
             name, threshold, 100 * part(hits, rehearsal.texts), rehearsal.texts, wrong, hits, 100 * part(wrong, hits),
             100 * upper_bound(wrong, hits, confidence), 100 * confidence);
}

void print_wrong(std::vector<Hit> hits, double threshold, std::size_t most, std::ostream& out) {
  std::erase_if(hits, [&](const Hit& hit) { return hit.right || hit.similarity < threshold; });
  std::ranges::sort(hits, std::greater(), &Hit::similarity);
  for (std::size_t i = 0; i < std::min(most, hits.size()); ++i) {
    fmt::print(out, "  {:.4f}  {} [{}]\n          {} [{}]\n", hits[i].similarity, hits[i].asked->text,
               hits[i].asked->intent, hits[i].answered->text, hits[i].answered->intent);
  }
}

Result<TuneTarget> target_of(const Options& options) {
  TuneTarget target{.wrong_scripts = 0.005, .answers = "hits"};
  SB_CHECK(options.rate("--wrong-hits", target.wrong_scripts));
  SB_CHECK(options.rate("--confidence", target.confidence));
  if (target.wrong_scripts <= 0 || target.wrong_scripts >= 1 || target.confidence >= 1)
    return fail(Errc::invalid_argument, "--wrong-hits and --confidence lie between 0 and 1: nothing is ever certain");
  return target;
}

Result<LikenessData> learn(const Rehearsal& rehearsal, const TuneTarget& target, const Encoder& encoder) {
  std::vector<Tried> tried;
  for (const auto& hit : rehearsal.hits) tried.push_back({hit.similarity, hit.right, false, true});
  SB_TRY(const auto tuned, tune(tried, target));
  LikenessData data;
  data.encoder = encoder.version();
  data.threshold = six_digits(tuned.threshold);
  data.wrong_hits = target.wrong_scripts;
  data.confidence = target.confidence;
  data.bound = six_digits(tuned.bound);
  data.texts = rehearsal.texts;
  data.hits = tuned.scripted;
  data.wrong = tuned.wrong;
  return data;
}

Result<LikenessData> read_learnt(const std::string& path, const Encoder& encoder) {
  SB_TRY(auto data, load_likeness(path));
  SB_CHECK(Likeness::create(data, encoder));
  return data;
}

}  // namespace

Result<> run_likeness(const Options& options, std::ostream& out) {
  SB_TRY(const auto target, target_of(options));
  SB_TRY(const auto path, options.one(options.has("--with") ? "--with" : "--out"));
  SB_TRY(const auto encoder, find_encoder(options));
  if (!encoder)
    return fail(Errc::invalid_argument, "there is no encoder: make one with `make encoder`, or name it with --encoder");
  SB_TRY(const auto routes, load_routes(options));
  SB_TRY(auto dataset, read_dataset(options.list("--data")));
  Dataset cached_texts;
  if (options.has("--cached")) {
    SB_TRY(cached_texts, read_dataset(options.list("--cached")));
  }
  std::size_t show = 0;
  SB_CHECK(options.number("--show", show));
  std::ranges::shuffle(dataset.examples, std::mt19937_64(1));
  const auto cached = read_all(*encoder, cached_texts.examples);
  const auto asked = read_all(*encoder, dataset.examples);
  const auto rehearsal = rehearse(cached, asked, routes, true);
  auto learnt = options.has("--with") ? read_learnt(path, *encoder) : learn(rehearsal, target, *encoder);
  const double threshold = learnt ? learnt->threshold : 0;
  const double confidence = learnt ? learnt->confidence : target.confidence;
  print_line("kept words alone", rehearsal, 0, confidence, out);
  if (learnt) {
    print_line("likeness alone", rehearse(cached, asked, routes, false), threshold, confidence, out);
    print_line("both", rehearsal, threshold, confidence, out);
  }
  print_wrong(rehearsal.hits, threshold, show, out);
  if (!learnt) return std::unexpected(learnt.error());
  if (options.has("--with")) return {};
  learnt->files = std::move(dataset.files);
  SB_CHECK(replace_file(path, encode_likeness(*learnt)));
  fmt::print(out, "wrote {}\n", path);
  return {};
}

}  // namespace sb::triage
