#include "api/triage_book.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/approval.h"
#include "base/json.h"
#include "base/log.h"
#include "base/record_writer.h"
#include "base/workers.h"
#include "triage/held_out.h"

namespace sb::api {
namespace {

constexpr std::string_view kTriageIndex = "triage_versions";
constexpr std::string_view kTriageFileAuthor = "file";
constexpr std::size_t kMaxTriageVersions = 100;  // older ones that are retired are no longer listed; their files stay

json::value index_of(const std::vector<TriageVersion>& versions, std::string_view file) {
  json::array list;
  for (const auto& v : versions) {
    list.push_back(json::object{{"id", v.id},
                                {"triage", v.triage},
                                {"classifier", v.classifier},
                                {"state", to_string(v.state)},
                                {"author", v.author},
                                {"approver", v.approver},
                                {"created_us", v.created_us},
                                {"figures", v.figures}});
  }
  return json::object{{"file", file}, {"versions", std::move(list)}};
}

TriageVersion version_from(const json::value& item) {
  const auto state = string_member(item, "state");
  const auto* figures = find_member(item, "figures");
  return {.id = std::string(string_member(item, "id")),
          .triage = std::string(string_member(item, "triage")),
          .classifier = std::string(string_member(item, "classifier")),
          .state = state == "active"    ? TriageState::active
                   : state == "pending" ? TriageState::pending
                                        : TriageState::retired,
          .author = std::string(string_member(item, "author")),
          .approver = std::string(string_member(item, "approver")),
          .created_us = int_member(item, "created_us"),
          .figures = figures && figures->is_object() ? figures->get_object() : json::object()};
}

json::object figures_of(const std::optional<triage::IntentModel>& model) {
  if (!model) return {};
  const auto& data = model->data();
  std::uint64_t rows = 0;
  for (const auto& file : data.provenance.files) rows += file.rows;
  const auto& origin = model->has_encoder() && data.sentence ? data.sentence->origin : data.origin;
  json::object out{{"labels", data.labels.size()}, {"training_texts", rows}, {"encoder", model->has_encoder()}};
  if (origin)
    out["threshold"] = json::object{{"by", origin->by},
                                    {"texts", origin->texts},
                                    {"wrong_scripts", origin->wrong_scripts},
                                    {"at_most", origin->bound}};
  return out;
}

// What an intent was learnt from, and how it did on texts that were withheld from it.
void add_figures(const triage::LearnReport& report, json::object& figures) {
  json::array learnt;
  for (const auto& intent : report.intents) {
    learnt.push_back(json::object{{"intent", intent.intent},
                                  {"new", intent.is_new},
                                  {"route", triage::to_string(intent.kind)},
                                  {"texts", intent.texts},
                                  {"recognised", intent.recognised}});
  }
  figures["learnt"] = std::move(learnt);
  figures["held_against"] = report.remembered;
  figures["taken"] = report.taken;
  if (report.left_out > 0) figures["left_out"] = report.left_out;
  if (!report.too_few.empty()) figures["too_few"] = texts(report.too_few);
}

json::object match_json(const triage::Match& match) {
  return {{"texts", match.texts},  {"right", match.right}, {"right_before", match.right_before},
          {"won", match.won},      {"lost", match.lost},   {"chance", match.chance},
          {"better", match.wins()}};
}

TriageVersion version_of(std::string id, const std::string& document, const std::optional<triage::IntentModel>& model,
                         Micros now) {
  return {.id = std::move(id),
          .triage = document,
          .classifier = model ? model->version() : std::string(),
          .state = TriageState::active,
          .author = std::string(kTriageFileAuthor),
          .approver = {},
          .created_us = now,
          .figures = figures_of(model)};
}

}  // namespace

std::string_view to_string(TriageState state) {
  switch (state) {
    case TriageState::pending:
      return "pending";
    case TriageState::active:
      return "active";
    case TriageState::retired:
      return "retired";
  }
  return "retired";
}

TriageBook::Book TriageBook::book() const {
  const std::lock_guard lock(mutex_);
  return book_;
}

std::vector<TriageVersion> TriageBook::versions() const {
  return book().versions;
}

std::string TriageBook::in_force() const {
  const auto now = book();
  const auto active = std::ranges::find(now.versions, TriageState::active, &TriageVersion::state);
  return active == now.versions.end() ? std::string() : active->id;
}

TriageVersion& TriageBook::at_the_front(Book& book, TriageVersion version) {
  std::erase_if(book.versions, [&](const TriageVersion& v) { return v.id == version.id; });
  book.versions.insert(book.versions.begin(), std::move(version));
  for (auto at = book.versions.size(); at-- > 1 && book.versions.size() > kMaxTriageVersions;) {
    if (book.versions[at].state == TriageState::retired)
      book.versions.erase(book.versions.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return book.versions.front();
}

void TriageBook::make_active(Book& book, std::string_view id) {
  for (auto& version : book.versions) {
    if (version.id == id)
      version.state = TriageState::active;
    else if (version.state == TriageState::active)
      version.state = TriageState::retired;
  }
}

Task<Result<std::shared_ptr<const triage::Router>>> TriageBook::open(std::string yaml_path) {
  SB_CO_TRY(const auto file, triage::Router::load(yaml_path));
  SB_CO_TRY(const auto kept_now, kept_.keep(yaml_path));
  if (const auto& written = kept_now.written; !written) {
    // A full disk keeps no server from starting: what could not be kept now is kept at the next start.
    if (written.error().code != Errc::disk_full) co_return std::unexpected(written.error());
    log_warn("triage.not_kept", {{"detail", written.error().detail}});
  }
  const std::string& id = kept_now.id;
  SB_CO_TRY(const auto stored, co_await store_.load_document(std::string(kTriageIndex)));
  const auto index = parse_json(stored.value_or("{}")).value_or(nullptr);
  Book book{{}, std::string(string_member(index, "file"))};
  if (const auto* list = find_member(index, "versions"); list && list->is_array()) {
    for (const auto& item : list->get_array()) book.versions.push_back(version_from(item));
  }
  const auto active = std::ranges::find(book.versions, TriageState::active, &TriageVersion::state);
  const std::string before = active == book.versions.end() ? std::string() : active->id;
  const bool changed = book.file != id;
  book.file = id;
  std::shared_ptr<const triage::Router> in_force = file;
  // What a new data directory starts with asks nobody.
  const bool waits = two_people_ && !before.empty();
  if (before != id && !before.empty() && (!changed || waits)) {
    auto kept = kept_.load(before);
    if (!kept)
      co_return fail(
          kept.error().code,
          fmt::format("the triage in force, {}, cannot be taken from the data folder ({}); start once with its "
                      "files as triage.file",
                      before, kept.error().detail));
    in_force = *std::move(kept);
  }
  if (changed && before != id) {
    auto& version = at_the_front(book, version_of(id, file->version(), file->model(), clock_.now_us()));
    if (waits)
      version.state = TriageState::pending;
    else
      make_active(book, id);
  }
  changed_at_start_ = changed;
  if (changed && before != id) new_at_start_ = id;
  before_start_ = before;
  const std::lock_guard lock(mutex_);
  book_ = std::move(book);
  co_return in_force;
}

Task<Result<>> TriageBook::begin(triage::LiveRouter& live) {
  live_ = &live;
  if (!changed_at_start_) co_return Result<>();
  const auto now = book();
  std::optional<store::LeafDraft> leaf;
  if (!new_at_start_.empty()) leaf = leaf_of(now.versions.front(), "triage.version", before_start_);
  auto written = co_await write(now, leaf);
  if (written || written.error().code != Errc::disk_full) co_return written;
  owed_ = std::move(leaf);
  log_warn("triage.not_recorded", {{"detail", written.error().detail}});
  co_return Result<>();
}

Task<Result<TriageVersion>> TriageBook::use(std::string id, std::string author) {
  SB_CO_TRY(const auto pass, co_await changes_.enter());
  auto next = book();
  const auto found = std::ranges::find(next.versions, id, &TriageVersion::id);
  if (found == next.versions.end()) co_return fail(Errc::not_found, "no such triage version", "version");
  if (found->state == TriageState::active) co_return *found;
  TriageVersion wanted = *found;
  wanted.author = std::move(author);
  wanted.approver.clear();
  wanted.created_us = clock_.now_us();
  co_return co_await want(std::move(next), std::move(wanted), "triage.use");
}

Task<Result<TriageVersion>> TriageBook::want(Book next, TriageVersion wanted, std::string_view kind,
                                             std::shared_ptr<const triage::Router> router) {
  if (!two_people_) co_return co_await put_in_force(std::move(next), std::move(wanted), kind, std::move(router));
  wanted.state = TriageState::pending;
  co_return co_await list(std::move(next), std::move(wanted), kind);
}

Task<Result<TriageVersion>> TriageBook::list(Book next, TriageVersion version, std::string_view kind) {
  const TriageVersion listed = at_the_front(next, std::move(version));
  SB_CO_CHECK(co_await write(next, leaf_of(listed, kind, in_force())));
  const std::lock_guard lock(mutex_);
  book_ = std::move(next);
  co_return listed;
}

// What came of a lesson.
struct TriageBook::Taught {
  triage::IntentModel model;
  std::string file;  // of what was learnt
  json::object figures;
  bool may_decide = true;  // it is proved better, or need not be
};

TriageBook::Lesson TriageBook::lesson_of(std::vector<flow::OpenLabel> labels, bool hold_out, std::string author) {
  Lesson lesson{.author = std::move(author)};
  if (!labels.empty()) lesson.newest_us = labels.back().created_us;
  if (hold_out) {
    auto parts = flow::split(std::move(labels));
    lesson.texts = std::move(parts.learnt);
    lesson.withheld = std::move(parts.withheld);
  } else {
    for (auto& label : labels) lesson.texts.push_back(std::move(label.said));
  }
  return lesson;
}

Task<Result<TriageVersion>> TriageBook::learn(Lesson lesson) {
  const auto router = live_->current();
  const std::string before = in_force();
  if (!router->model())
    co_return fail(Errc::conflict, "the triage in force has no classifier; name one in its document (`model`)");
  const bool wanted = lesson.put_in_force;
  const std::string author = std::move(lesson.author);
  // A tenth of a second, with thousands of labels many: beside the shard's thread, and before anybody has to wait.
  Workers workers;
  auto lessons = [router, lesson = std::move(lesson)]() -> Result<Taught> {
    const auto weights = router->model()->without_learnt();
    SB_TRY(auto learning, triage::learn_beside(weights, lesson.texts, {}));
    auto file = triage::encode_learnt(learning.learnt);
    SB_TRY(auto model, weights.with_learnt(std::move(learning.learnt)));
    Taught taught{std::move(model), std::move(file), {}};
    add_figures(learning.report, taught.figures);
    taught.figures[kNewestLabel] = lesson.newest_us;
    if (!lesson.withheld) return taught;
    const auto match = triage::match(*router->model(), taught.model, *lesson.withheld);
    taught.figures["held_out"] = match_json(match);
    taught.may_decide = match.wins();
    return taught;
  };
  SB_CO_TRY(auto taught, co_await workers.run(std::move(lessons)));
  const bool decides = wanted && taught.may_decide;
  SB_CO_TRY(const auto pass, co_await changes_.enter());
  if (in_force() != before)
    co_return fail(Errc::unavailable, "another version of triage came into force while this one learnt; try again");
  auto keeping = [this, router, before, taught = std::move(taught)] { return keep(taught, *router, before); };
  SB_CO_TRY(auto learnt, co_await workers.run(std::move(keeping)));
  auto next = book();
  auto& [version, made] = learnt;
  const auto known = std::ranges::find(next.versions, version.id, &TriageVersion::id);
  const auto state = known == next.versions.end() ? TriageState::retired : known->state;
  // One that waits for a second person goes on waiting where nobody wants it anew.
  if (state == TriageState::active || (state == TriageState::pending && !decides)) co_return *known;
  version.author = author;
  version.created_us = clock_.now_us();
  if (decides) co_return co_await want(std::move(next), std::move(version), "triage.learn", std::move(made));
  co_return co_await list(std::move(next), std::move(version), "triage.learn");
}

Result<TriageBook::Learnt> TriageBook::keep(const Taught& taught, const triage::Router& router,
                                            const std::string& id) const {
  SB_TRY(auto kept, kept_.keep_learnt(id, taught.file));
  SB_CHECK(kept.written);
  const auto* cascade = router.cascade();
  SB_TRY(auto around, kept_.load_around(kept.id, taught.model, cascade ? cascade->verifier : nullptr));
  Learnt out{version_of(std::move(kept.id), router.version(), taught.model, 0), std::move(around)};
  out.version.state = TriageState::retired;
  for (const auto& [name, figure] : taught.figures) out.version.figures[name] = figure;
  return out;
}

Task<Result<TriageVersion>> TriageBook::approve(std::string id, std::string approver, std::vector<KeyRecord> keys) {
  SB_CO_TRY(const auto pass, co_await changes_.enter());
  auto next = book();
  const auto found = std::ranges::find(next.versions, id, &TriageVersion::id);
  if (found == next.versions.end()) co_return fail(Errc::not_found, "no such triage version", "version");
  if (found->state != TriageState::pending)
    co_return fail(Errc::conflict,
                   fmt::format("this version does not wait for approval: it is {}", to_string(found->state)));
  SB_CO_CHECK(check_approver({found->author, found->created_us, "triage version"}, approver, keys));
  TriageVersion wanted = *found;
  wanted.approver = std::move(approver);
  co_return co_await put_in_force(std::move(next), std::move(wanted), "triage.approve");
}

Task<Result<TriageVersion>> TriageBook::put_in_force(Book next, TriageVersion wanted, std::string_view kind,
                                                     std::shared_ptr<const triage::Router> router) {
  // Reading a model, and holding it against the labelled texts, would keep a shard's callers waiting.
  Workers workers;
  auto load = [this, id = wanted.id, router = std::move(router)]() -> Result<std::unique_ptr<triage::LiveRouter>> {
    if (router) return make_live_(router);
    SB_TRY(auto loaded, kept_.load(id));
    return make_live_(std::move(loaded));
  };
  SB_CO_TRY(auto live, co_await workers.run(std::move(load)));
  const auto before = in_force();
  const std::string id = at_the_front(next, std::move(wanted)).id;
  make_active(next, id);
  const TriageVersion active = next.versions.front();
  SB_CO_CHECK(co_await write(next, leaf_of(active, kind, before)));
  live_->replace(std::move(live));
  const std::lock_guard lock(mutex_);
  book_ = std::move(next);
  co_return active;
}

store::LeafDraft TriageBook::leaf_of(const TriageVersion& changed, std::string_view kind,
                                     std::string_view before) const {
  store::LeafDraft leaf;
  leaf.kind = kind;
  leaf.actor = pseudonyms_.actor(changed.approver.empty() ? changed.author : changed.approver);
  RecordWriter summary(240);
  summary.begin_object().member("author", RecordText::ours(pseudonyms_.actor(changed.author)));
  summary.member("before", RecordText::ours(before)).member("classifier", RecordText::ours(changed.classifier));
  summary.member("state", RecordText::ours(to_string(changed.state)));
  summary.member("triage", RecordText::ours(changed.triage)).member("version", RecordText::ours(changed.id));
  leaf.summary = std::move(summary.end_object()).take().text();
  leaf.time_us = clock_.now_us();
  return leaf;
}

Task<Result<>> TriageBook::write(Book next, std::optional<store::LeafDraft> leaf) {
  store::Commit commit;
  commit.documents.emplace_back(kTriageIndex, to_text(index_of(next.versions, next.file)));
  if (owed_) commit.leaves.push_back(*owed_);
  if (leaf) commit.leaves.push_back(*std::move(leaf));
  SB_CO_CHECK(co_await store_.commit(std::move(commit)));
  owed_.reset();
  co_return Result<>();
}

}  // namespace sb::api
