// `signalbox triage` alone, without the server it is part of, and the time its sentence encoder takes: what compare.py
// runs.
#include <fmt/ostream.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "triage/command.h"
#include "triage/dataset.h"
#include "triage/encoder/encoder.h"

namespace {

using sb::Result;

// encode ENCODER DATA: every text once for the caches, once by the clock; one JSON object.
Result<> time_encoder(const std::string& encoder_file, const std::string& data) {
  SB_TRY(const auto encoder, sb::triage::Encoder::load_file(encoder_file));
  SB_TRY(const auto dataset, sb::triage::read_dataset({data}));
  sb::triage::Encoding encoding;
  std::vector<double> times;
  double pieces = 0;
  for (const bool timed : {false, true}) {
    for (const auto& example : dataset.examples) {
      const auto begin = std::chrono::steady_clock::now();
      encoder.encode(example.text, encoding);
      if (!timed) continue;
      times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
      pieces += encoding.pieces;
    }
  }
  std::ranges::sort(times);
  const auto count = static_cast<double>(times.size());
  fmt::print(std::cout,
             "{{\"latency_us_p50\": {}, \"latency_us_p99\": {}, \"latency_us_mean\": {}, \"pieces_mean\": {}}}\n",
             times[times.size() / 2], times[times.size() * 99 / 100],
             std::accumulate(times.begin(), times.end(), 0.0) / count, pieces / count);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() == 3 && args[0] == "encode") {
    const auto done = time_encoder(args[1], args[2]);
    if (!done) std::cerr << done.error().detail << '\n';
    return done ? 0 : 1;
  }
  return sb::triage::triage_command(args, std::cin, std::cout, std::cerr, {});
}
