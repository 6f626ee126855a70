/// The versions of triage: which one is in force, which wait for a second person, who put them there, and what they
/// rest on. All that were ever in force are kept, and any may be put in force again.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/change_gate.h"
#include "base/clock.h"
#include "flow/labels.h"
#include "keys/key.h"
#include "keys/pseudonym.h"
#include "store/store.h"
#include "triage/kept_versions.h"
#include "triage/live_router.h"

namespace sb::api {

enum class TriageState : std::uint8_t { pending, active, retired };
std::string_view to_string(TriageState state);

struct TriageVersion {
  std::string id;          ///< of all its files (triage/kept_versions.h)
  std::string triage;      ///< as decisions name the document
  std::string classifier;  ///< likewise the weights; empty: none
  TriageState state = TriageState::pending;
  std::string author;     ///< id of the key that wanted it in force; "file": the configuration's file
  std::string approver;   ///< empty: nobody was asked
  Micros created_us = 0;  ///< when it was wanted
  json::object figures;   ///< what is known of it: labels, training texts, what its threshold rests on
};

/// Of a version that learnt, the figure that says when the newest label came that was there (Unix time, microseconds).
inline constexpr char kNewestLabel[] = "newest_label_us";

/// Requests that are in work keep the triage they began with; those that come later get the new one. What is put in
/// force is on disk, with its leaf in the record, before it is. Shared by all shards; thread-safe.
class TriageBook {
 public:
  /// How a router decides live: with a guard, where something is promised. May take its time.
  /// Errors: what keeps it from being put in force.
  using MakeLive = std::function<Result<std::unique_ptr<triage::LiveRouter>>(std::shared_ptr<const triage::Router>)>;

  TriageBook(store::Store& store, const Clock& clock, ChangeGate& changes, Pseudonyms pseudonyms,
             triage::KeptVersions kept, bool two_people, MakeLive make_live)
      : store_(store),
        clock_(clock),
        changes_(changes),
        pseudonyms_(std::move(pseudonyms)),
        kept_(std::move(kept)),
        two_people_(two_people),
        make_live_(std::move(make_live)) {}

  std::vector<TriageVersion> versions() const;  ///< newest first
  /// The id; empty: before the start.
  std::string in_force() const;

  /// At start, with the configuration's document: the router that is to decide. One that was changed since the last
  /// start is a new version; else the one that was in force is again. Writes nothing to the store.
  /// Errors: of the document and its files; not_found (with two people: the one that was in force is not kept here).
  Task<Result<std::shared_ptr<const triage::Router>>> open(std::string yaml_path);
  /// What `open` found, on record; from here on changes are made to `live`. On a full disk it is written at the next
  /// start. Errors: as the store's.
  Task<Result<>> begin(triage::LiveRouter& live);

  /// Puts a version in force that was in force before; with two people it waits. The same again changes nothing.
  /// Errors: not_found, corrupt (its files are damaged), invalid_argument (it cannot promise), unavailable.
  Task<Result<TriageVersion>> use(std::string id, std::string author);
  struct Lesson {
    std::vector<triage::LabelledText> texts{};
    /// Texts that are not learnt from: it is put in force only where it is proved better on these. None: whatever it
    /// is.
    std::optional<std::vector<triage::LabelledText>> withheld{};
    bool put_in_force = true;
    std::string author;
    Micros newest_us = 0;  ///< when the newest label came that was there, learnt from or withheld
  };
  /// Of all labels, oldest first; `hold_out`: some of them are withheld (flow::split).
  static Lesson lesson_of(std::vector<flow::OpenLabel> labels, bool hold_out, std::string author);
  /// A version that knows what the texts say beside what the weights in force know (triage/learn.h), kept and, where it
  /// may be, put in force as by `use`. What was learnt before and is in no label any more is forgotten.
  /// Errors: as use, and conflict (no classifier is in force), unavailable (another version came into force meanwhile),
  /// those of triage::learn_beside.
  Task<Result<TriageVersion>> learn(Lesson lesson);
  /// As PolicyBook::approve. Errors: as use, and conflict, permission_denied.
  Task<Result<TriageVersion>> approve(std::string id, std::string approver, std::vector<KeyRecord> keys);

 private:
  struct Book {
    std::vector<TriageVersion> versions;
    std::string file;  ///< id of what the configuration's file was when this was written
  };
  Book book() const;
  static TriageVersion& at_the_front(Book& book, TriageVersion version);
  static void make_active(Book& book, std::string_view id);
  /// A version of the book that somebody wants: in force, or waiting for a second person.
  /// `router`: the version's own, where it is in memory already.
  Task<Result<TriageVersion>> want(Book book, TriageVersion version, std::string_view kind,
                                   std::shared_ptr<const triage::Router> router = nullptr);
  /// Lists it as it is.
  Task<Result<TriageVersion>> list(Book book, TriageVersion version, std::string_view kind);
  struct Taught;
  struct Learnt {
    TriageVersion version;
    std::shared_ptr<const triage::Router> router;
  };
  /// As a version beside the files of version `id`. Errors: as KeptVersions::keep_learnt and load_around.
  Result<Learnt> keep(const Taught& taught, const triage::Router& router, const std::string& id) const;
  Task<Result<TriageVersion>> put_in_force(Book book, TriageVersion version, std::string_view kind,
                                           std::shared_ptr<const triage::Router> router = nullptr);
  store::LeafDraft leaf_of(const TriageVersion& changed, std::string_view kind, std::string_view before) const;
  Task<Result<>> write(Book book, std::optional<store::LeafDraft> leaf);

  store::Store& store_;
  const Clock& clock_;
  ChangeGate& changes_;
  const Pseudonyms pseudonyms_;
  const triage::KeptVersions kept_;
  const bool two_people_;
  const MakeLive make_live_;
  triage::LiveRouter* live_ = nullptr;    ///< since the start
  bool changed_at_start_ = false;         ///< the configuration's document is another one
  std::string new_at_start_;              ///< its id, where that is no version in force already
  std::string before_start_;              ///< id of the version in force until then
  std::optional<store::LeafDraft> owed_;  ///< of the start, that found no room: goes with the next change
  mutable std::mutex mutex_;              // over what follows
  Book book_;
};

}  // namespace sb::api
