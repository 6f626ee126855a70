#include "api/policy_book.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/approval.h"
#include "base/json.h"
#include "base/log.h"
#include "flow/sealed_documents.h"
#include "http/client.h"

namespace sb::api {
namespace {

constexpr std::string_view kIndex = "policies";
constexpr std::string_view kFileAuthor = "file";
/// A full disk keeps no server from starting: what could not be written now is written at the next start.
Result<> unless_full(Result<> written) {
  if (written || written.error().code != Errc::disk_full) return written;
  log_warn("policy.not_recorded", {{"detail", written.error().detail}});
  return {};
}

constexpr std::size_t kMaxVersions = 100;  // older ones that are retired are no longer listed

std::string document_of(std::string_view hash) {
  return fmt::format("policy:{}", hash);
}

json::value to_json(const std::vector<PolicyVersion>& versions, std::string_view file_hash) {
  json::array list;
  for (const auto& v : versions) {
    list.push_back(json::object{{"hash", v.hash},
                                {"name", v.name},
                                {"version", v.version},
                                {"state", to_string(v.state)},
                                {"author", v.author},
                                {"approver", v.approver},
                                {"created_us", v.created_us}});
  }
  return json::object{{"file", file_hash}, {"versions", std::move(list)}};
}

std::vector<PolicyVersion> versions_from(const json::value& index) {
  std::vector<PolicyVersion> versions;
  const auto* list = find_member(index, "versions");
  for (const auto& item : list && list->is_array() ? list->get_array() : json::array()) {
    const auto state = string_member(item, "state");
    versions.push_back({std::string(string_member(item, "hash")), std::string(string_member(item, "name")),
                        int_member(item, "version"),
                        state == "active"    ? PolicyState::active
                        : state == "pending" ? PolicyState::pending
                                             : PolicyState::retired,
                        std::string(string_member(item, "author")), std::string(string_member(item, "approver")),
                        int_member(item, "created_us")});
  }
  return versions;
}

}  // namespace

std::string_view to_string(PolicyState state) {
  switch (state) {
    case PolicyState::pending:
      return "pending";
    case PolicyState::active:
      return "active";
    case PolicyState::retired:
      return "retired";
  }
  return "retired";
}

std::shared_ptr<const policy::Policy> PolicyBook::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::vector<PolicyVersion> PolicyBook::versions() const {
  const std::lock_guard lock(mutex_);
  return book_.versions;
}

Task<Result<>> PolicyBook::open(std::string text, std::string origin) {
  SB_CO_TRY(auto file, policy::Policy::load(text, origin));
  SB_CO_TRY(const auto stored, co_await store_.load_document(std::string(kIndex)));
  if (!stored) co_return co_await begin(std::move(file), std::move(text));
  SB_CO_TRY(const auto index, parse_json(*stored));
  Book book{versions_from(index), std::string(string_member(index, "file"))};
  const auto active = std::ranges::find(book.versions, PolicyState::active, &PolicyVersion::state);
  if (active == book.versions.end()) co_return fail(Errc::corrupt, "the list of policy versions has none in force");
  const std::string hash = active->hash;
  std::shared_ptr<const policy::Policy> in_force = file;
  if (hash != file->hash()) {
    if (auto kept = co_await text_of(hash)) {
      SB_CO_TRY(in_force, policy::Policy::load_kept(*kept, "policy " + hash.substr(0, 16)));
    } else if (rules_.two_people) {
      co_return fail(kept.error().code,
                     fmt::format("{} was changed and waits for a second person (policy.approval), but the version in "
                                 "force, {}, is not kept here; start once with the former file, then change it",
                                 origin, hash.substr(0, 16)));
    }
  }
  {
    const std::lock_guard lock(mutex_);
    book_ = std::move(book);
    current_ = std::move(in_force);
  }
  co_return unless_full(co_await take_file(std::move(file), std::move(text)));
}

// The first start of a data directory: there is nobody to ask yet.
Task<Result<>> PolicyBook::begin(std::shared_ptr<const policy::Policy> file, std::string text) {
  const PolicyVersion first{
      file->hash(), file->name(), file->version(), PolicyState::active, std::string(kFileAuthor), {}, clock_.now_us()};
  Book book{{first}, file->hash()};
  SB_CO_CHECK(unless_full(co_await write(book, first, "policy.publish", std::move(text), {})));
  const std::lock_guard lock(mutex_);
  book_ = std::move(book);
  current_ = std::move(file);
  co_return Result<>();
}

Task<Result<>> PolicyBook::take_file(std::shared_ptr<const policy::Policy> file, std::string text) {
  {
    const std::lock_guard lock(mutex_);
    if (book_.file_hash == file->hash()) co_return Result<>();
  }
  std::string hash = file->hash();
  SB_CO_CHECK(co_await add(std::move(file), std::move(text), std::string(kFileAuthor), std::move(hash)));
  co_return Result<>();
}

Task<Result<>> PolicyBook::reload(std::string text, std::string origin) {
  SB_CO_TRY(auto policy, policy::Policy::load(text, origin));
  SB_CO_TRY(const auto pass, co_await changes_.enter());
  co_return co_await take_file(std::move(policy), std::move(text));
}

// A key that may publish is not thereby one that may send everybody's texts wherever it likes.
Result<> PolicyBook::check_hosts(const policy::Policy& policy) const {
  for (const auto& check : policy.checks()) {
    if (check->kind != policy::CheckKind::http) continue;
    SB_TRY(const auto url, http::Url::parse(check->url));
    const auto named = [&](const std::string& host) {
      return host == url.host || host == fmt::format("{}:{}", url.host, url.port);
    };
    if (std::ranges::none_of(rules_.guard_hosts, named))
      return fail(Errc::permission_denied,
                  fmt::format("check {}: host {} is not named under policy.guard_hosts in signalbox.yaml", check->name,
                              url.host),
                  "checks");
  }
  return {};
}

Task<Result<PolicyVersion>> PolicyBook::publish(std::string text, std::string author) {
  SB_CO_TRY(auto policy, policy::Policy::load(text, "policy"));
  SB_CO_CHECK(check_hosts(*policy));
  SB_CO_TRY(const auto pass, co_await changes_.enter());
  std::string file_hash;
  {
    const std::lock_guard lock(mutex_);
    file_hash = book_.file_hash;
  }
  co_return co_await add(std::move(policy), std::move(text), std::move(author), std::move(file_hash));
}

Task<Result<PolicyVersion>> PolicyBook::add(std::shared_ptr<const policy::Policy> policy, std::string text,
                                            std::string author, std::string file_hash) {
  Book book;
  std::string before;
  bool file_changed = false;
  {
    const std::lock_guard lock(mutex_);
    book = book_;
    before = current_->hash();
    file_changed = book.file_hash != file_hash;
  }
  book.file_hash = std::move(file_hash);
  const auto in_force = std::ranges::find(book.versions, policy->hash(), &PolicyVersion::hash);
  if (before == policy->hash() && in_force != book.versions.end()) {  // the file says again what holds
    const PolicyVersion same = *in_force;
    if (file_changed) {
      store::Commit commit;
      commit.documents.emplace_back(kIndex, to_text(to_json(book.versions, book.file_hash)));
      SB_CO_CHECK(co_await store_.commit(std::move(commit)));
      const std::lock_guard lock(mutex_);
      book_ = std::move(book);
    }
    co_return same;
  }
  std::erase_if(book.versions, [&](const PolicyVersion& v) { return v.hash == policy->hash(); });
  const PolicyVersion added{policy->hash(),    policy->name(),
                            policy->version(), rules_.two_people ? PolicyState::pending : PolicyState::active,
                            std::move(author), {},
                            clock_.now_us()};
  book.versions.insert(book.versions.begin(), added);
  while (book.versions.size() > kMaxVersions && book.versions.back().state == PolicyState::retired)
    book.versions.pop_back();
  if (!rules_.two_people) make_active(book, added.hash);
  SB_CO_CHECK(co_await write(book, added, "policy.publish", std::move(text), std::move(before)));
  const std::lock_guard lock(mutex_);
  book_ = std::move(book);
  if (!rules_.two_people) current_ = std::move(policy);
  co_return added;
}

Task<Result<PolicyVersion>> PolicyBook::approve(std::string hash, std::string approver, std::vector<KeyRecord> keys) {
  SB_CO_TRY(const auto pass, co_await changes_.enter());
  Book book;
  std::string before;
  {
    const std::lock_guard lock(mutex_);
    book = book_;
    before = current_->hash();
  }
  const auto found = std::ranges::find(book.versions, hash, &PolicyVersion::hash);
  if (found == book.versions.end()) co_return fail(Errc::not_found, "no such policy version", "hash");
  if (found->state != PolicyState::pending)
    co_return fail(Errc::conflict,
                   fmt::format("this version does not wait for approval: it is {}", to_string(found->state)));
  SB_CO_CHECK(check_approver({found->author, found->created_us, "policy"}, approver, keys));
  SB_CO_TRY(auto text, co_await text_of(hash));
  SB_CO_TRY(auto policy, policy::Policy::load_kept(text, "policy"));
  found->approver = std::move(approver);
  make_active(book, hash);
  const PolicyVersion approved = *found;
  SB_CO_CHECK(co_await write(book, approved, "policy.approve", {}, std::move(before)));
  const std::lock_guard lock(mutex_);
  book_ = std::move(book);
  current_ = std::move(policy);
  co_return approved;
}

Task<Result<std::string>> PolicyBook::text_of(std::string hash) const {
  SB_CO_TRY(auto text, co_await flow::load_sealed(store_, sealer_, document_of(hash)));
  if (!text) co_return fail(Errc::not_found, "no document of this policy version is kept", "hash");
  co_return *std::move(text);
}

void PolicyBook::make_active(Book& book, std::string_view hash) {
  for (auto& version : book.versions) {
    if (version.hash == hash)
      version.state = PolicyState::active;
    else if (version.state == PolicyState::active)
      version.state = PolicyState::retired;
  }
}

Task<Result<>> PolicyBook::write(Book book, const PolicyVersion& changed, std::string_view kind, std::string text,
                                 std::string before) {
  store::Commit commit;
  commit.documents.emplace_back(kIndex, to_text(to_json(book.versions, book.file_hash)));
  if (!text.empty()) flow::put_sealed(commit, sealer_, document_of(changed.hash), text);
  store::LeafDraft leaf;
  leaf.kind = kind;
  leaf.actor = pseudonyms_.actor(changed.approver.empty() ? changed.author : changed.approver);
  leaf.summary = to_text(json::object{{"author", pseudonyms_.actor(changed.author)},
                                      {"before", std::move(before)},
                                      {"hash", changed.hash},
                                      {"name", changed.name},
                                      {"state", to_string(changed.state)},
                                      {"version", changed.version}});
  leaf.time_us = clock_.now_us();
  commit.leaves.push_back(std::move(leaf));
  co_return co_await store_.commit(std::move(commit));
}

}  // namespace sb::api
