/// One self-contained HTML file: no script, nothing loaded from anywhere, readable on light and dark ground and
/// printed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sb {

/// `text` as content or attribute: &, <, >, " and ' are coded.
std::string escape_html(std::string_view text);

/// Collects a page front to back.
class HtmlPage {
 public:
  explicit HtmlPage(std::string title) : title_(std::move(title)) {}

  HtmlPage& heading(std::string_view text);
  HtmlPage& paragraph(std::string_view text);
  /// Cells of a row that look like numbers stand to the right.
  HtmlPage& table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows);
  /// Side by side where there is room. `svg`: of plot.h.
  HtmlPage& charts(const std::vector<std::string>& svg);

  std::string text() const;

 private:
  std::string title_;
  std::string body_;
};

}  // namespace sb
