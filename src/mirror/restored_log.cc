#include "mirror/restored_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "audit/tile.h"
#include "audit/timestamps.h"
#include "store/sqlite/record_reader.h"

namespace sb::mirror {
namespace {

namespace fs = std::filesystem;
using audit::TileFiles;
using store::sqlite::RecordReader;
using Holder = KnownHead::Holder;

constexpr const char* kWitnessFolder = ".witness";
constexpr std::size_t kNoteBytesMax = 64 * 1024;

// Full tiles as they come, for a log is longer than memory; what is not full, of the newest head that is led to.
class Tiles {
 public:
  Tiles(TileFiles* files, std::uint64_t end) : files_(files), end_(end) {}
  void leads_here(const audit::TileEdge& edge) { partial_ = edge.partial(); }
  Result<> take_full(audit::TileEdge& edge) {
    const auto full = edge.take_full();
    return edge.size() <= end_ ? write(full) : Result<>();
  }
  Result<> finish() { return write(partial_); }

 private:
  Result<> write(const std::vector<audit::Tile>& tiles) {
    if (!files_) return {};
    for (const audit::Tile& tile : tiles) SB_CHECK(files_->write(tile));
    return {};
  }
  TileFiles* const files_;
  const std::uint64_t end_;  ///< leaves under the newest signed head
  std::vector<audit::Tile> partial_;
};

std::vector<const KnownHead*> by_size(const std::vector<KnownHead>& heads) {
  std::vector<const KnownHead*> order;
  for (const KnownHead& head : heads) order.push_back(&head);
  std::ranges::sort(order, {}, [](const KnownHead* head) { return head->head.size; });
  return order;
}

Result<> add_mirrored(const LogKnowledge& known, std::vector<KnownHead>& heads, std::vector<std::string>& losses) {
  for (const auto& [name, note] :
       {std::pair(TileFiles::kCheckpoint, known.checkpoint), std::pair(TileFiles::kWitnessed, known.witnessed)}) {
    if (note.empty()) continue;
    const std::string where = fmt::format("audit/{}", name);
    const auto head = open_head(note, known.public_key);
    if (head)
      heads.push_back({Holder::mirror, where, note, *head});
    else
      losses.push_back(fmt::format("{}: {}", where, head.error().detail));
    const bool is_older =
        head && name == std::string_view(TileFiles::kCheckpoint) && head->size < known.published.leaves;
    if (is_older)
      losses.push_back(fmt::format("the newest tree head: {} is one of {} leaves, and one of {} was there", where,
                                   head->size, known.published.leaves));
  }
  if (known.published.leaves == 0) return {};
  if (known.checkpoint.empty())
    losses.push_back(
        fmt::format("audit/checkpoint: a tree head of at least {} leaves was there", known.published.leaves));
  heads.push_back({Holder::chain,
                   "the tree head that the segments speak of",
                   {},
                   {{}, known.published.leaves, known.published.root}});
  return {};
}

Result<> add_stored(const LogKnowledge& known, std::vector<KnownHead>& heads) {
  SB_TRY(const auto record, RecordReader::open(known.database));
  SB_TRY(const auto stored, record->heads());
  if (stored.empty()) return {};
  SB_TRY(const audit::TreeHead head, open_head(stored.back().note, known.public_key));
  heads.push_back({Holder::database, "the database's newest tree head", stored.back().note, head});
  return {};
}

// All that a server showed of its log in this folder, and what its witnesses cosigned. What power loss tore is left
// out, as a start does.
Result<> add_shown(const LogKnowledge& known, std::vector<KnownHead>& heads) {
  std::vector<std::string> names{TileFiles::kCheckpoint, TileFiles::kWitnessed};
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(known.folder + "/" + kWitnessFolder, ignored))
    names.push_back(std::string(kWitnessFolder) + "/" + file.path().filename().string());
  for (const std::string& name : names) {
    const std::string path = known.folder + "/" + name;
    const std::string note = audit::read_whole_file(path, kNoteBytesMax).value_or("");
    if (!note.ends_with('\n')) continue;
    const auto head = open_head(note, known.public_key);
    if (!head) {
      return fail(Errc::conflict, fmt::format("{} is not of the record in the mirror ({}); restore into a new data "
                                              "directory",
                                              path, head.error().detail));
    }
    heads.push_back({Holder::folder, path, note, *head});
  }
  return {};
}

Result<> judge(const KnownHead& head, std::uint64_t leaves, std::vector<std::string>& losses) {
  const bool is_longer = head.head.size > leaves;
  const std::string told =
      is_longer ? fmt::format("{} is over {} leaves, and what is in the mirror leads to {}", head.where, head.head.size,
                              leaves)
                : fmt::format("{} is over {} leaves of another history than the mirror's", head.where, head.head.size);
  switch (head.holder) {
    case Holder::database:
      return fail(Errc::corrupt, fmt::format("the mirror does not hold one record: {}", told));
    case Holder::folder:
      return fail(
          Errc::conflict,
          fmt::format("{}: whoever saw it would be shown another history. What is missing was on the machine "
                      "that was lost alone; to go on without it all the same, restore into a new data directory",
                      told));
    case Holder::mirror:
    case Holder::chain:
      losses.push_back(is_longer ? fmt::format("{} leaves: {}", head.head.size - leaves, told) : told);
  }
  return {};
}

// The newest of them is shown; what witnesses cosigned stays beside it.
Result<std::uint64_t> write_notes(const std::vector<KnownHead>& led, TileFiles& files) {
  const KnownHead* newest = nullptr;
  const KnownHead* witnessed = nullptr;
  for (const KnownHead& head : led) {
    if (head.note.empty()) continue;
    if (!newest || head.head.size > newest->head.size) newest = &head;
    if (head.where.ends_with(TileFiles::kWitnessed) && (!witnessed || head.head.size > witnessed->head.size))
      witnessed = &head;
  }
  if (!newest) return 0;
  if (witnessed) SB_CHECK(files.write_note(TileFiles::kWitnessed, witnessed->note));
  SB_CHECK(files.write_note(TileFiles::kCheckpoint, newest->note));
  SB_CHECK(files.sync(newest->head.size / audit::kTileWidth * audit::kTileWidth));
  return newest->head.size;
}

Result<> copy_kept(const std::string& from, const std::string& to) {
  for (const char* name : {kWitnessFolder, "timestamp"}) {
    std::error_code error;
    if (!fs::exists(from + "/" + name, error)) continue;
    fs::copy(from + "/" + name, to + "/" + name, fs::copy_options::recursive, error);
    if (error) return fail(Errc::internal, fmt::format("cannot copy {}/{}: {}", from, name, error.message()));
  }
  return {};
}

// Those of the folder's own stay: they are the newer ones. A name that is none of a stamp is nobody's.
Result<> write_stamps(const std::vector<Object>& stamps, TileFiles& files) {
  for (const Object& stamp : stamps) {
    if (audit::is_timestamp_file(stamp.name) && files.read_note(stamp.name).empty())
      SB_CHECK(files.write_note(stamp.name, stamp.bytes));
  }
  return {};
}

}  // namespace

Result<audit::TreeHead> open_head(std::string_view note, std::string_view public_key) {
  const std::string name(note.substr(0, note.find('\n')));
  if (name.empty() || name.find_first_of(" +\t\r") != std::string::npos)
    return fail(Errc::corrupt, "no signed tree head");
  return audit::open_tree_head(note, audit::NoteVerifier(name, std::string(public_key)));
}

Result<WalkedLog> walk_log(const std::string& database, const std::vector<KnownHead>& heads, TileFiles* files) {
  const auto order = by_size(heads);
  const auto newest_signed =
      std::ranges::find_if(order.rbegin(), order.rend(), [](const KnownHead* head) { return !head->note.empty(); });
  Tiles tiles(files, newest_signed == order.rend() ? 0 : (*newest_signed)->head.size);
  WalkedLog walked{0, std::vector<bool>(heads.size())};
  audit::TileEdge edge;
  auto next = order.begin();
  const auto compare = [&] {
    for (; next != order.end() && (*next)->head.size == edge.size(); ++next) {
      const bool led = (*next)->head.root == edge.root();
      walked.led[static_cast<std::size_t>(*next - heads.data())] = led;
      if (led && !(*next)->note.empty()) tiles.leads_here(edge);
    }
  };
  SB_TRY(const auto record, RecordReader::open(database));
  compare();
  for (;;) {
    SB_TRY(const auto leaf, record->next_leaf());
    if (!leaf) break;
    edge.append(leaf->bytes);
    compare();
    SB_CHECK(tiles.take_full(edge));
  }
  SB_CHECK(tiles.finish());
  walked.leaves = edge.size();
  return walked;
}

Result<RestoredLog> restore_log(const LogKnowledge& known, const std::string& made) {
  RestoredLog log;
  std::vector<KnownHead> heads;
  SB_CHECK(add_mirrored(known, heads, log.losses));
  SB_CHECK(add_stored(known, heads));
  SB_CHECK(add_shown(known, heads));
  SB_TRY(TileFiles files, TileFiles::open(made));
  SB_TRY(const WalkedLog walked, walk_log(known.database, heads, &files));
  log.leaves = walked.leaves;
  std::vector<KnownHead> led;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    if (walked.led[i])
      led.push_back(heads[i]);
    else
      SB_CHECK(judge(heads[i], walked.leaves, log.losses));
  }
  SB_CHECK(copy_kept(known.folder, made));
  SB_CHECK(write_stamps(known.stamps, files));
  SB_TRY(log.signed_leaves, write_notes(led, files));
  return log;
}

}  // namespace sb::mirror
