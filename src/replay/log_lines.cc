#include "replay/log_lines.h"

#include <fmt/format.h>

#include <fstream>

#include "base/bytes.h"

namespace sb::replay {
namespace {

constexpr std::size_t kMaxLineBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxListBytes = std::size_t{256} << 20;

using Visit = std::function<Result<>(const json::value&)>;

Result<> visit_all(const std::string& file, const json::array& objects, const Visit& visit) {
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (const auto done = visit(objects[i]); !done)
      return fail(done.error().code, fmt::format("{}: entry {}: {}", file, i, done.error().detail));
  }
  return {};
}

// One document over many lines.
Result<> read_document(const std::string& file, std::istream& in, std::string text, const Visit& visit) {
  for (std::string line; std::getline(in, line);) {
    (text += '\n') += line;
    if (text.size() > kMaxListBytes)
      return fail(Errc::too_large,
                  fmt::format("{}: a list over {} bytes; write one object a line", file, kMaxListBytes));
  }
  const auto document = parse_json(text);
  if (!document) return fail(Errc::invalid_argument, fmt::format("{}: {}", file, document.error().detail));
  if (const auto* list = document->if_array()) return visit_all(file, *list, visit);
  const auto* data = find_member(*document, "data");
  if (data && data->is_array()) return visit_all(file, data->get_array(), visit);
  return visit(*document);
}

}  // namespace

Result<> each_object(const std::string& file, const Visit& visit) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", file));
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.size() > kMaxLineBytes)
      return fail(Errc::too_large, fmt::format("{}:{}: a line over {} bytes", file, number, kMaxLineBytes));
    const auto text = trim(line);
    if (text.empty()) continue;
    const auto object = parse_json(text);
    const bool list = object ? object->is_array() || find_member(*object, "data") != nullptr : false;
    if (number == 1 && (list || !object)) return read_document(file, in, line, visit);
    if (!object || !object->is_object())
      return fail(Errc::invalid_argument, fmt::format("{}:{}: is not one JSON object a line", file, number));
    if (const auto done = visit(*object); !done)
      return fail(done.error().code, fmt::format("{}:{}: {}", file, number, done.error().detail));
  }
  return {};
}

}  // namespace sb::replay
