#include "flow/graph.h"

#include <fmt/format.h>

#include <algorithm>

namespace sb::flow {
namespace {

struct Inner {
  std::string label;
  const TaskList* list;
};

/// The lists inside a task, with what they are to it.
std::vector<Inner> inner_lists(const TaskNode& task) {
  std::vector<Inner> lists;
  if (const auto* body = std::get_if<DoTask>(&task.body)) lists.push_back({"do", &body->list});
  if (const auto* loop = std::get_if<ForTask>(&task.body)) lists.push_back({"for each", &loop->list});
  if (const auto* guarded = std::get_if<TryTask>(&task.body)) {
    lists.push_back({"try", &guarded->list});
    if (guarded->handler) lists.push_back({"catch", &*guarded->handler});
  }
  if (const auto* fork = std::get_if<ForkTask>(&task.body)) {
    for (const auto& branch : fork->branches) lists.push_back({fork->compete ? "race" : "branch", &branch});
  }
  if (const auto* listen = std::get_if<ListenTask>(&task.body); listen && listen->each && !listen->each->tasks.empty())
    lists.push_back({"each event", &*listen->each});
  return lists;
}

struct Edge {
  std::string label;
  Transition then;
};

std::vector<Edge> edges_of(const TaskNode& task) {
  std::vector<Edge> edges;
  bool always = false;
  if (const auto* choice = std::get_if<SwitchTask>(&task.body)) {
    for (const auto& one : choice->cases) {
      edges.push_back({one.name, one.then});
      always = always || !one.when;
    }
  }
  if (const auto* guarded = std::get_if<TryTask>(&task.body); guarded && guarded->then)
    edges.push_back({"caught", *guarded->then});
  if (!always) edges.push_back({"", task.then});
  return edges;
}

std::string escaped(std::string_view text, bool xml) {
  std::string out;
  for (const char c : text) {
    if (c == '"')
      out += xml ? "&quot;" : "#quot;";
    else if (c == '<')
      out += xml ? "&lt;" : "#lt;";
    else if (c == '>')
      out += xml ? "&gt;" : "#gt;";
    else if (c == '&')
      out += xml ? "&amp;" : "#amp;";
    else
      out += c;
  }
  return out;
}

class Mermaid {
 public:
  std::string draw(const Flow& flow) {
    out_ = "flowchart TD\n  start([start])\n  finish([end])\n";
    list(flow.root, "  ", "finish");
    out_ += fmt::format("  start --> {}\n", id(flow.root.tasks.front()));
    return out_;
  }

 private:
  static std::string id(const TaskNode& task) {
    std::string name = "t";
    for (const char c : task.ref) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    return name;
  }
  void list(const TaskList& tasks, const std::string& indent, const std::string& after) {
    for (const auto& task : tasks.tasks) {
      const auto lists = inner_lists(task);
      const auto label = fmt::format("{}: {}", escaped(task.name, false), escaped(task.kind(), false));
      const bool choice = std::holds_alternative<SwitchTask>(task.body);
      if (lists.empty()) {
        out_ += fmt::format("{}{}{}\"{}\"{}\n", indent, id(task), choice ? "{" : "[", label, choice ? "}" : "]");
      } else {
        out_ += fmt::format("{}subgraph {} [\"{}\"]\n", indent, id(task), label);
        for (const auto& inner : lists) list(*inner.list, indent + "  ", "");
        out_ += indent + "end\n";
      }
    }
    for (std::size_t i = 0; i < tasks.tasks.size(); ++i) {
      for (const auto& edge : edges_of(tasks.tasks[i])) {
        const std::size_t to = edge.then.kind == Transition::Kind::to ? edge.then.target : i + 1;
        const bool leaves = edge.then.kind == Transition::Kind::exit || to >= tasks.tasks.size();
        const std::string target = edge.then.kind == Transition::Kind::end ? "finish"
                                   : leaves                                ? after
                                                                           : id(tasks.tasks[to]);
        if (target.empty()) continue;
        const std::string label = edge.label.empty() ? "" : fmt::format("|\"{}\"|", escaped(edge.label, false));
        out_ += fmt::format("{}{} -->{} {}\n", indent, id(tasks.tasks[i]), label, target);
      }
    }
  }
  std::string out_;
};

/// Measures on the way up, draws on the way down.
class Svg {
 public:
  std::string draw(const Flow& flow) {
    const int height = list(flow.root, kMargin, kMargin + 24, kWidth);
    const int width = kWidth + 2 * kMargin + 40;
    return fmt::format(
        R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" font-family="sans-serif" font-size="13"><title>{2}</title><text x="{3}" y="24" font-weight="bold">{2}</text>{4}</svg>)",
        width, height + kMargin, escaped(flow.id(), true), kMargin, out_);
  }

 private:
  static constexpr int kMargin = 16, kWidth = 520, kRow = 28, kGap = 14;

  void text(int x, int y, std::string_view words, const char* fill = "#222") {
    out_ += fmt::format(R"(<text x="{}" y="{}" fill="{}">{}</text>)", x, y, fill, escaped(words, true));
  }
  /// Returns the y below it.
  int list(const TaskList& tasks, int x, int y, int width) {
    std::vector<int> tops, bottoms;
    for (const auto& task : tasks.tasks) {
      tops.push_back(y);
      y = box(task, x, y, width);
      bottoms.push_back(y);
      y += kGap;
    }
    for (std::size_t i = 0; i < tasks.tasks.size(); ++i) {
      for (const auto& edge : edges_of(tasks.tasks[i])) {
        const std::size_t to = edge.then.kind == Transition::Kind::to ? edge.then.target : i + 1;
        if (edge.then.kind == Transition::Kind::end || edge.then.kind == Transition::Kind::exit ||
            to >= tasks.tasks.size())
          continue;
        arrow(x, width, bottoms[i], tops[i], to == i + 1 && edge.label.empty(), tops[to]);
      }
    }
    return y - kGap;
  }
  void arrow(int x, int width, int from_bottom, int from_top, bool next, int to_top) {
    if (next) {
      out_ += fmt::format(
          R"(<path d="M{0} {1} L{0} {2}" stroke="#888"/><path d="M{3} {4} L{5} {4} L{0} {2}z" fill="#888"/>)", x + 20,
          from_bottom, to_top, x + 16, to_top - 6, x + 24);
      return;
    }
    const int right = x + width, start = from_top + kRow / 2, end = to_top + kRow / 2;
    out_ += fmt::format(
        R"(<path d="M{0} {1} C{2} {1} {2} {3} {0} {3}" fill="none" stroke="#36c"/><path d="M{4} {5} L{4} {6} L{0} {3}z" fill="#36c"/>)",
        right, start, right + 28, end, right + 7, end - 4, end + 4);
  }
  int box(const TaskNode& task, int x, int y, int width) {
    const auto at = out_.size();
    int bottom = y + kRow;
    std::string words = fmt::format("{}: {}", task.name, task.kind());
    if (task.condition) words += fmt::format("  if {}", task.condition->source().substr(0, 30));
    text(x + 10, y + 18, words);
    if (const auto* choice = std::get_if<SwitchTask>(&task.body)) {
      for (const auto& one : choice->cases) {
        const auto when = one.when ? one.when->source().substr(0, 44) : std::string("otherwise");
        text(x + 26, bottom + 12, fmt::format("{}: {}", one.name, when), "#36c");
        bottom += 18;
      }
      bottom += 4;
    }
    for (const auto& inner : inner_lists(task)) {
      text(x + 14, bottom + 10, inner.label, "#777");
      bottom = list(*inner.list, x + 14, bottom + 18, width - 60) + 10;
    }
    out_.insert(
        at, fmt::format(
                R"(<rect x="{}" y="{}" width="{}" height="{}" rx="5" fill="#fff" fill-opacity="0.7" stroke="#555"/>)",
                x, y, width, bottom - y));
    return bottom;
  }
  std::string out_;
};

}  // namespace

std::string mermaid_graph(const Flow& flow) {
  return Mermaid().draw(flow);
}
std::string svg_graph(const Flow& flow) {
  return Svg().draw(flow);
}

}  // namespace sb::flow
