#include "base/html_page.h"

#include <fmt/format.h>

#include <algorithm>

namespace sb {
namespace {

// Blue, vermilion, green, orange, purple of the colours that the colour-blind tell apart (Okabe and Ito, 2008); lighter
// on dark ground.
constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--faint:#d9dde3;--soft:#f4f6f8;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b87900;--c4:#a8518a}
@media (prefers-color-scheme:dark){:root{--ground:#15181d;--ink:#e4e7eb;--faint:#363c45;--soft:#1f242b;
--c0:#56b4e9;--c1:#ff8f4a;--c2:#2fd0a2;--c3:#f0b429;--c4:#dd8fc1}}
body{background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}p{max-width:75ch}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--faint)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.charts{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
svg{background:var(--soft);border-radius:6px;max-width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--ink)}svg .title{font-weight:600;font-size:13px}
.grid{stroke:var(--faint);stroke-width:1}.line{fill:none;stroke-width:2}.mark{stroke:var(--soft);stroke-width:1}
.c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{--c:var(--c3)}.c4{--c:var(--c4)}
.line{stroke:var(--c)}.mark,.bar{fill:var(--c)}
)";

bool is_number(std::string_view cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789.,-+% <>=") == cell.npos;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

HtmlPage& HtmlPage::heading(std::string_view text) {
  body_ += fmt::format("<h2>{}</h2>\n", escape_html(text));
  return *this;
}

HtmlPage& HtmlPage::paragraph(std::string_view text) {
  body_ += fmt::format("<p>{}</p>\n", escape_html(text));
  return *this;
}

HtmlPage& HtmlPage::table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  body_ += "<div class=\"scroll\"><table>\n<tr>";
  for (std::size_t i = 0; i < head.size(); ++i) {
    const bool number = !rows.empty() && i < rows[0].size() && is_number(rows[0][i]);
    body_ += fmt::format("<th{}>{}</th>", number ? " class=\"n\"" : "", escape_html(head[i]));
  }
  body_ += "</tr>\n";
  for (const auto& row : rows) {
    body_ += "<tr>";
    for (const auto& cell : row) {
      body_ += fmt::format("<td{}>{}</td>", is_number(cell) ? " class=\"n\"" : "", escape_html(cell));
    }
    body_ += "</tr>\n";
  }
  body_ += "</table></div>\n";
  return *this;
}

HtmlPage& HtmlPage::charts(const std::vector<std::string>& svg) {
  body_ += "<div class=\"charts\">\n";
  for (const auto& one : svg) body_ += one + "\n";
  body_ += "</div>\n";
  return *this;
}

std::string HtmlPage::text() const {
  const auto title = escape_html(title_);
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>{0}</title><style>{1}</style></head>\n<body><h1>{0}</h1>\n{2}</body></html>\n",
      title, kStyle, body_);
}

}  // namespace sb
