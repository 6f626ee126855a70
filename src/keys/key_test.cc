#include "keys/key.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "keys/key_ring.h"

namespace sb {
namespace {

using testing::HasSubstr;

struct StoppedClock final : Clock {
  Micros now = 1'700'000'000'000'000;
  Micros now_us() const override { return now; }
  std::chrono::steady_clock::time_point steady() const override { return {}; }
};

Pepper pepper(char fill = 'p') {
  return Pepper(Secret(std::string(32, fill)));
}

NewKey new_key(Entropy& entropy, std::string name = "desk", KeyLimits limits = {}) {
  const StoppedClock clock;
  auto made = make_key(std::move(name), "acme", Role::client, limits, pepper(), clock, entropy);
  SB_ASSERT(made);
  return std::move(*made);
}

TEST(ApiKeys, HaveTheirFormAndAreNeverTheSame) {
  SeededEntropy entropy(1);
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto key = generate_api_key(entropy);
    EXPECT_THAT(std::string(key.reveal()), testing::MatchesRegex("sbk_[0-9A-Za-z]+"));
    EXPECT_EQ(key.reveal().size(), 36U);
    EXPECT_TRUE(is_api_key(key.reveal()));
    EXPECT_TRUE(seen.insert(std::string(key.reveal())).second);
  }
}

TEST(ApiKeys, AnyChangedCharacterIsNoticedWithoutALookup) {
  SeededEntropy entropy(2);
  const std::string key(generate_api_key(entropy).reveal());
  for (std::size_t i = 0; i < key.size(); ++i) {
    auto changed = key;
    changed[i] = changed[i] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(is_api_key(changed)) << i;
  }
  for (const auto& wrong : {key.substr(0, 35), key + "a", std::string(), std::string("sk-abc"), " " + key}) {
    EXPECT_FALSE(is_api_key(wrong)) << wrong;
  }
}

TEST(ApiKeys, DigitsAreEvenlySpread) {
  SeededEntropy entropy(3);
  std::map<char, int> counts;
  constexpr int kKeys = 4000;
  for (int i = 0; i < kKeys; ++i) {
    for (const char c : generate_api_key(entropy).reveal().substr(4, 26)) ++counts[c];
  }
  EXPECT_EQ(counts.size(), 62U);
  // Expected 1677 each, standard deviation 41: six of them are 245. A plain "byte % 62" would give 2031 to the first
  // eight.
  for (const auto& [c, count] : counts) EXPECT_NEAR(count, kKeys * 26.0 / 62, 245) << c;
}

TEST(KeyHash, DependsOnKeyAndPepper) {
  EXPECT_EQ(pepper().hash("sbk_a"), pepper().hash("sbk_a"));
  EXPECT_NE(pepper().hash("sbk_a"), pepper().hash("sbk_b"));
  EXPECT_NE(pepper().hash("sbk_a"), pepper('q').hash("sbk_a"));
  EXPECT_EQ(pepper().hash("sbk_a"), hmac_sha256(std::string(32, 'p'), "sbk_a"));
}

class PepperFile : public testing::Test {
 protected:
  std::filesystem::path dir = std::filesystem::path(testing::TempDir()) / ("sb_pepper_" + std::to_string(::getpid()));
  std::filesystem::path path = dir / "pepper";
  SeededEntropy entropy{7};
  PepperFile() { std::filesystem::create_directories(dir); }
  ~PepperFile() override { std::filesystem::remove_all(dir); }
  void write(std::string_view text, mode_t mode = 0600) {
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
  }
};

TEST_F(PepperFile, IsMadeOnceAndPrivate) {
  const auto first = Pepper::load_or_create(path, entropy);
  ASSERT_TRUE(first) << first.error().detail;
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const auto second = Pepper::load_or_create(path, entropy);
  ASSERT_TRUE(second);
  EXPECT_EQ(first->hash("k"), second->hash("k"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir), {}), 1);
}

TEST_F(PepperFile, IsRefusedWhereOthersMayReadItOrItIsDamaged) {
  write(std::string(64, 'a'), 0640);
  auto wrong = Pepper::load_or_create(path, entropy);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Errc::permission_denied);
  EXPECT_THAT(wrong.error().detail, HasSubstr("chmod 600"));
  for (const auto& text : {std::string(), std::string(63, 'a'), std::string(64, 'x'), std::string(66, 'a')}) {
    write(text);
    wrong = Pepper::load_or_create(path, entropy);
    ASSERT_FALSE(wrong) << text;
    EXPECT_EQ(wrong.error().code, Errc::corrupt);
    EXPECT_THAT(wrong.error().detail, testing::Not(HasSubstr("aaaa")));
  }
  wrong = Pepper::load_or_create(dir / "no" / "pepper", entropy);
  ASSERT_FALSE(wrong);
}

TEST_F(PepperFile, ServersThatStartAtOnceAgree) {
  std::vector<Digest> digests(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < digests.size(); ++t) {
      threads.emplace_back([&, t] {
        SeededEntropy own(t + 100);
        const auto mine = Pepper::load_or_create(path, own);
        if (mine) digests[t] = mine->hash("k");
      });
    }
  }
  EXPECT_NE(digests[0], Digest{});
  for (const auto& digest : digests) EXPECT_EQ(digest, digests[0]);
}

TEST(KeyRecords, SurviveJson) {
  SeededEntropy entropy(4);
  std::vector<KeyRecord> records;
  for (const Role role : all_roles()) {
    auto record = new_key(entropy, "na\"me ü", {60, 5'000'000, 3}).record;
    record.role = role;
    if (role == Role::auditor) record.revoked_us = 42;
    if (!records.empty()) record.made_by = records.front().id;
    records.push_back(record);
  }
  const auto text = to_text(keys_to_json(records));
  const auto back = keys_from_json(*parse_json(text));
  ASSERT_TRUE(back) << back.error().detail;
  EXPECT_EQ(*back, records);
}

TEST(KeyRecords, TheKeyItselfIsNowhereInTheJson) {
  SeededEntropy entropy(5);
  const auto made = new_key(entropy);
  EXPECT_THAT(to_text(to_json(made.record)), testing::Not(HasSubstr(std::string(made.text.reveal().substr(4, 8)))));
}

TEST(KeyRecords, DamageIsNamedAndNewerVersionsAreRefused) {
  SeededEntropy entropy(6);
  const auto good = to_json(new_key(entropy).record);
  for (const char* member : {"id", "name", "tenant", "role", "limits", "hash", "created_us"}) {
    auto bad = good;
    bad.get_object().erase(member);
    const auto read = key_from_json(bad);
    ASSERT_FALSE(read) << member;
    EXPECT_EQ(read.error().code, Errc::corrupt);
    EXPECT_THAT(read.error().detail, HasSubstr(member));
    bad.get_object()[member] = json::array{1};
    EXPECT_FALSE(key_from_json(bad)) << member;
  }
  auto bad = good;
  bad.get_object()["limits"].get_object()["max_in_flight"] = -5;
  EXPECT_FALSE(key_from_json(bad));
  bad = good;
  bad.get_object()["revoked_us"] = "yesterday";
  EXPECT_FALSE(key_from_json(bad));
  bad = good;
  bad.get_object()["made_by"] = "somebody";
  EXPECT_FALSE(key_from_json(bad));
  EXPECT_EQ(keys_from_json(*parse_json(R"({"version":2,"keys":[]})")).error().code, Errc::unsupported);
  EXPECT_EQ(keys_from_json(*parse_json(R"({"keys":[]})")).error().code, Errc::corrupt);
  EXPECT_EQ(keys_from_json(*parse_json(R"({"version":1})")).error().code, Errc::corrupt);
  EXPECT_EQ(keys_from_json(json::value("x")).error().code, Errc::corrupt);
}

TEST(KeyRecords, BadNamesTenantsAndLimitsAreRefusedWhenMade) {
  SeededEntropy entropy(8);
  const StoppedClock clock;
  const auto param = [&](std::string name, std::string tenant, KeyLimits limits) {
    const auto made = make_key(std::move(name), std::move(tenant), Role::client, limits, pepper(), clock, entropy);
    return made ? std::string("none") : made.error().param;
  };
  EXPECT_EQ(param("a", "acme-1", {}), "none");
  EXPECT_EQ(param("", "acme", {}), "name");
  EXPECT_EQ(param(std::string(129, 'a'), "acme", {}), "name");
  EXPECT_EQ(param("\xff", "acme", {}), "name");
  for (const auto* tenant : {"", "-a", "Acme", "a b", "a/b"}) EXPECT_EQ(param("a", tenant, {}), "tenant") << tenant;
  EXPECT_EQ(param("a", "acme", {.requests_per_minute = -1}), "limits");
}

TEST(KeyRing, FindsAKeyByItsIdAlsoAfterItWasRevoked) {
  SeededEntropy entropy(9);
  KeyRing ring(pepper());
  auto key = new_key(entropy, "desk", {.spend_micro_per_day = 7});
  EXPECT_EQ(ring.find(key.record.id), nullptr);
  key.record.revoked_us = 1;
  ASSERT_TRUE(ring.replace({key.record}));
  const auto found = ring.find(key.record.id);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->limits.spend_micro_per_day, 7);
}

TEST(KeyRing, FindsEachKeyAndNoOther) {
  SeededEntropy entropy(9);
  KeyRing ring(pepper());
  std::vector<std::string> texts;
  std::vector<KeyRecord> records;
  for (int i = 0; i < 300; ++i) {
    auto made = new_key(entropy, std::to_string(i));
    texts.emplace_back(made.text.reveal());
    records.push_back(std::move(made.record));
  }
  ASSERT_TRUE(ring.replace(records));
  EXPECT_EQ(ring.usable_count(), 300U);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(**ring.authenticate(texts[i]), records[i]);
  for (const std::string& wrong :
       {std::string(generate_api_key(entropy).reveal()), std::string("sk-x"), std::string()}) {
    const auto found = ring.authenticate(wrong);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::unauthenticated);
    if (!wrong.empty()) EXPECT_THAT(found.error().detail, testing::Not(HasSubstr(wrong)));
  }
}

TEST(KeyRing, ARevokedKeyIsRefusedEverywhereAtOnceAndAHeldPrincipalStaysWhole) {
  SeededEntropy entropy(10);
  KeyRing ring(pepper());
  auto made = new_key(entropy);
  ASSERT_TRUE(ring.replace({made.record}));
  KeyReader reader(ring);
  const auto held = reader.authenticate(made.text.reveal());
  ASSERT_TRUE(held);
  made.record.revoked_us = 1;
  ASSERT_TRUE(ring.replace({made.record}));
  EXPECT_FALSE(ring.authenticate(made.text.reveal()));
  EXPECT_FALSE(reader.authenticate(made.text.reveal()));
  EXPECT_EQ(ring.usable_count(), 0U);
  EXPECT_EQ((*held)->name, "desk");
}

TEST(KeyRing, KeepsItsKeysWhenTheNewOnesAreWrong) {
  SeededEntropy entropy(11);
  KeyRing ring(pepper());
  const auto made = new_key(entropy);
  ASSERT_TRUE(ring.replace({made.record}));
  EXPECT_EQ(ring.replace({made.record, made.record}).error().code, Errc::already_exists);
  auto other = new_key(entropy).record;
  other.hash = made.record.hash;
  EXPECT_EQ(ring.replace({made.record, other}).error().code, Errc::already_exists);
  EXPECT_EQ(ring.replace(std::vector<KeyRecord>(KeyRing::kMaxKeys + 1)).error().code, Errc::too_large);
  EXPECT_TRUE(ring.authenticate(made.text.reveal()));
}

TEST(KeyRing, ReadersSeeTheOldOrTheNewKeysWhileTheyChange) {
  SeededEntropy entropy(12);
  KeyRing ring(pepper());
  const auto stays = new_key(entropy);
  const auto comes_and_goes = new_key(entropy);
  ASSERT_TRUE(ring.replace({stays.record}));
  std::atomic<bool> stop = false;
  std::atomic<int> missing = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        KeyReader reader(ring);
        do {
          if (!reader.authenticate(stays.text.reveal())) ++missing;
          (void)reader.authenticate(comes_and_goes.text.reveal());
        } while (!stop);
      });
    }
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(ring.replace({stays.record, comes_and_goes.record}));
      ASSERT_TRUE(ring.replace({stays.record}));
    }
    stop = true;
  }
  EXPECT_EQ(missing, 0);
}

TEST(PresentedKey, ComesFromEitherHeader) {
  EXPECT_EQ(presented_key("Bearer sbk_1", ""), "sbk_1");
  EXPECT_EQ(presented_key("bearer   sbk_1 ", "sbk_2"), "sbk_1");
  EXPECT_EQ(presented_key("", "sbk_2"), "sbk_2");
  EXPECT_EQ(presented_key("Basic abc", ""), "");
  EXPECT_EQ(presented_key("Bearer ", ""), "");
}

std::string slurp(const char* path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

TEST(Roles, TheReadmeShowsTheTable) {
  std::string table = "|";
  for (const Role role : all_roles()) table += " | " + std::string(to_string(role));
  table += " |\n|---|---|---|---|---|---|\n";
  for (const Permission permission : all_permissions()) {
    table += "| " + std::string(to_string(permission)) + " |";
    for (const Role role : all_roles()) table += allows(role, permission) ? " yes |" : " |";
    table += "\n";
  }
  EXPECT_THAT(slurp("src/keys/README.md"), HasSubstr(table)) << table;
}

TEST(Roles, HoldTheSeparationOfDuties) {
  for (const Permission permission : all_permissions()) EXPECT_TRUE(allows(Role::admin, permission));
  EXPECT_FALSE(allows(Role::operator_, Permission::decide_reviews));
  EXPECT_FALSE(allows(Role::client, Permission::read_audit));
  EXPECT_FALSE(allows(Role::client, Permission::decide_reviews));
  for (const Permission permission :
       {Permission::infer, Permission::start_runs, Permission::control_runs, Permission::change_setup,
        Permission::decide_reviews, Permission::give_feedback, Permission::manage_keys, Permission::erase}) {
    EXPECT_FALSE(allows(Role::auditor, permission)) << to_string(permission);
  }
  for (const Role role : all_roles()) EXPECT_EQ(parse_role(to_string(role)), role);
  EXPECT_FALSE(parse_role("root"));
  const auto denied = require(Role::client, Permission::manage_keys);
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, Errc::permission_denied);
  EXPECT_EQ(denied.error().detail, "a key with role client may not manage_keys; use a key with one of: admin");
}

}  // namespace
}  // namespace sb
