// Runs a fuzzer without libFuzzer, as a test: its seeds as they are, then inputs made of them, the same ones each time.
//
//   NAME_fuzz INPUTS CORPUS      an input that ends the process is left in NAME_fuzz.input
#include <sanitizer/common_interface_defs.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/split_mix.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kMostBytes = 4096;

std::string current;  // what is being tried
std::string left_in;

void leave_input() {
  std::ofstream(left_in, std::ios::binary) << current;
  std::fprintf(stderr, "the input is in %s\n", left_in.c_str());
}

void run(std::string input) {
  current = std::move(input);
  (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(current.data()), current.size());
}

std::vector<std::string> seeds_of(const char* folder) {
  std::vector<std::filesystem::path> files;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) files.push_back(entry.path());
  std::ranges::sort(files);  // a folder lists them in any order
  std::vector<std::string> seeds;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  if (seeds.empty()) seeds.emplace_back("0");
  return seeds;
}

// One change: a byte, a piece left out, a piece twice, or a piece of another seed.
void change(std::string& input, const std::vector<std::string>& seeds, sb::SplitMix& random) {
  constexpr std::string_view kTelling("\0\xff\x7f\x80\n\r \"\\{}[]:,;@/-.%&0179eE", 27);
  const std::size_t at = random.below(input.size() + 1);
  const std::size_t size = std::min(random.below(32), input.size() - at);
  switch (random.below(5)) {
    case 0:
      if (at < input.size()) input[at] = static_cast<char>(random.next());
      break;
    case 1:
      input.insert(at, 1, kTelling[random.below(kTelling.size())]);
      break;
    case 2:
      input.erase(at, size);
      break;
    case 3:
      input.insert(random.below(input.size() + 1), std::string(input, at, size));
      break;
    default: {
      const std::string& other = seeds[random.below(seeds.size())];
      input.insert(at, other, random.below(other.size() + 1), random.below(64));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s INPUTS CORPUS\n", argv[0]);
    return 2;
  }
  left_in = std::filesystem::path(argv[0]).filename().string() + ".input";
  __sanitizer_set_death_callback(leave_input);
  std::signal(SIGABRT, [](int) {
    leave_input();
    std::_Exit(1);
  });
  const auto seeds = seeds_of(argv[2]);
  for (const auto& seed : seeds) run(seed);
  sb::SplitMix random(1);
  for (long left = std::atol(argv[1]); left > 0; --left) {
    std::string input = seeds[random.below(seeds.size())];
    for (std::size_t changes = 1 + random.below(4); changes > 0; --changes) change(input, seeds, random);
    input.resize(std::min(input.size(), kMostBytes));
    run(std::move(input));
  }
  std::printf("%s inputs of %zu seeds\n", argv[1], seeds.size());
}
