#include "jq/program.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "jq/text.h"
#include "jq/values.h"

namespace sb::jq {
namespace {

std::string outputs(std::string_view source, std::string_view input, Budget budget = {}) {
  const auto program = Program::compile(source);
  if (!program) return "compile: " + program.error().detail;
  const auto results = program->eval_all(*parse_json(input), {}, budget);
  if (!results) return "error: " + results.error().detail;
  std::string text;
  for (const auto& result : *results) text += (text.empty() ? "" : " ") + dump(result);
  return text;
}

struct Case {
  std::string_view program;
  std::string_view input;
  std::string_view expected;
};

// Expected outputs are those of the manual of jq 1.7 or of the jq program.
constexpr Case kCases[] = {
    {".", "{\"b\":1,\"a\":[2,null]}", R"({"b":1,"a":[2,null]})"},
    {".a.b.c", "{}", "null"},
    {".a[\"b\"]?", "{\"a\":3}", ""},
    {".[-1], .[1.7], .[9]", "[1,2]", "2 2 null"},
    {".[1:], .[:-1], .[2:9]", "[1,2,3]", "[2,3] [1,2] [3]"},
    {".[1:3]", "\"a\u00e9b\u00e8\"", "\"\u00e9b\""},
    {"[.[] | . * 2]", "[1,2,3]", "[2,4,6]"},
    {"[(1,2)+(10,20)]", "null", "[11,12,21,22]"},
    {"[{a:(1,2),b:(3,4)}]", "null", R"([{"a":1,"b":3},{"a":1,"b":4},{"a":2,"b":3},{"a":2,"b":4}])"},
    {"[{(\"a\",\"b\"):(1,2)}]", "null", R"([{"a":1},{"a":2},{"b":1},{"b":2}])"},
    {"[pow(2,3;1,2)]", "null", "[2,3,4,9]"},
    {"[\"\\(1,2) \\(3,4)\"]", "null", R"(["1 3","2 3","1 4","2 4"])"},
    {"[[[1,2],[3,4]]|.[0,1][0,1]]", "null", "[1,3,2,4]"},
    {"[.[(0,1):(2,3)]]", "[1,2,3,4]", "[[1,2],[1,2,3],[2],[2,3]]"},
    {"[range(0,1;3,4)]", "null", "[0,1,2,0,1,2,3,1,2,1,2,3]"},
    {"[range(5;0;-2)]", "null", "[5,3,1]"},
    {"-1 + 2, -(1 * 2), 7 / 2, 6 / 2, 5 % -2, -5 % 2", "null", "1 -2 3.5 3 1 -1"},
    {"9007199254740993 + 1, . + 1", "9223372036854775806", "9007199254740994 9223372036854775807"},
    {". == 9007199254740993.0, . > 9007199254740992.0", "9007199254740993", "false true"},
    {"1e-5, 1e17, 1.5e300, 0.0001, 3.0, 1e1000", "null",
     "1e-05 100000000000000000 1.5e+300 0.0001 3 1.7976931348623157e+308"},
    {"[nan] | sort, (nan < nan), ([nan] | tojson)", "null", "[null] true \"[null]\""},
    {".a // \"d\", (.b // 1)", "{\"a\":false,\"b\":2}", "\"d\" 2"},
    {"[.[] | if . > 2 then \"big\" elif . > 1 then \"mid\" end]", "[1,2,3]", R"([1,"mid","big"])"},
    {"try error(\"x\") catch ., (try error({a:1}) catch .a)", "null", "\"x\" 1"},
    {"[.[] | tonumber?]", "[\"1\",\"x\",2]", "[1,2]"},
    {"[(1,2) | try (if . == 1 then error(\"a\") else . end) catch \"c\"]", "null", "[\"c\",2]"},
    {"try ((1,2) | (., error(\"later\"))) catch .", "null", "1 \"later\""},
    {"(try 5 catch 6) | try error(\"down\") catch .", "null", "\"down\""},
    {"reduce .[] as [$a,$b] (0; . + $a * $b)", "[[1,2],[3,4]]", "14"},
    {"reduce (1,2) as $x (0; empty)", "null", "null"},
    {"[foreach (1,2,3) as $x (0; . + $x; [$x, .])]", "null", "[[1,1],[2,3],[3,6]]"},
    {"[foreach (1,2) as $x (0; .+$x, .*2)]", "null", "[1,0,2,0]"},
    {". as {a: $x, b: [$y, {c: $z}], $d} | [$x,$y,$z,$d]", R"({"a":1,"b":[2,{"c":3}],"d":4})", "[1,2,3,4]"},
    {".[] as [$a] ?// $a | [$a]", "[[3],4]", "[3] [4]"},
    {"[[3]] | .[] as [$a] ?// [$b] | if $a != null then error(\"err: \\($a)\") else {$a,$b} end", "null",
     R"({"a":null,"b":3})"},
    {". as {$x: [$y]} | [$x, $y]", "{\"x\":[7]}", "[[7],7]"},
    {"def f: . + 1; def g: f | f; 3 | g", "null", "5"},
    {"def f(g): g | g; 1 | [f(. + 1 as $x | $x, $x * 10)]", "null", "[3,12,12,21]"},
    {"[f] | length", "null", "compile: jq: column 2: f/0 is not defined"},
    {"def fac: if . <= 1 then 1 else . * (. - 1 | fac) end; 10 | fac", "null", "3628800"},
    {"def f($a; $b): [$a, $b, a]; f(1,2; 3)", "null", "[1,3,1,2] [2,3,1,2]"},
    {"def count: def r: if . >= 100000 then . else . + 1 | r end; r; 0 | count", "null", "100000"},
    {"label $out | 1, 2, break $out, 3", "null", "1 2"},
    {"[label $f | range(10) | ., (select(. == 1) | break $f)]", "null", "[0,1]"},
    {"[limit(3; repeat(1))], [limit(0; 1, 2)], [first(range(5;9))], [until(. > 100; . * 2)]", "1",
     "[1,1,1] [] [5] [128]"},
    {"[.. | numbers]", "[1,[2,{\"a\":3}]]", "[1,2,3]"},
    {"[recurse(if . < 3 then . + 1 else empty end)], [while(. < 10; . * 3)]", "1", "[1,2,3] [1,3,9]"},
    {"[paths]", "{\"a\":[1]}", R"([["a"],["a",0]])"},
    {"path(.a[0].b, .c[1:2], (.d | select(true)))", "null", R"(["a",0,"b"] ["c",{"start":1,"end":2}] ["d"])"},
    {"[path(..)]", "{\"a\":[1]}", R"([[],["a"],["a",0]])"},
    {"path(1)", "null",
     "error: jq: column 6: Invalid path expression: it makes a value instead of pointing into its input"},
    {"path(reduce (\"a\",\"b\") as $k (.; .[$k]))", "{\"a\":{\"b\":1}}", R"(["a","b"])"},
    {".a.b = 1, .a += 1, (.x //= 5)", "{\"a\":null}", R"({"a":{"b":1}} {"a":1} {"a":null,"x":5})"},
    {".[] += 1", "[1,2]", "[2,3]"},
    {".a += (1,2)", "{}", R"({"a":1} {"a":2})"},
    {"(.[] | select(. > 1)) |= empty", "[1,2,3]", "[1]"},
    {".a[1:] |= map(. + 1)", "{\"a\":[1,2]}", R"({"a":[1,3]})"},
    {".[1:] = [\"x\",\"y\",\"z\"]", "[1,2,3]", R"([1,"x","y","z"])"},
    {"del(.[0,2]), del(.[1:]), delpaths([[0],[1]])", "[1,2,3]", "[2] [1] [3]"},
    {"to_entries, with_entries(.value += 1), (to_entries | from_entries)", "{\"a\":1}",
     R"([{"key":"a","value":1}] {"a":2} {"a":1})"},
    {"map_values(. + 1), map(. * 2), add, any(. > 1), all(. > 1)", "[1,2]", "[2,3] [2,4] 3 true false"},
    {"group_by(.a), sort_by(-.b), unique_by(.a), min_by(.b), max_by(.a)", R"([{"a":1,"b":2},{"a":1,"b":3}])",
     R"([[{"a":1,"b":2},{"a":1,"b":3}]] [{"a":1,"b":3},{"a":1,"b":2}] [{"a":1,"b":2}] {"a":1,"b":2} {"a":1,"b":3})"},
    {"sort, unique, min, max, reverse", R"([{"b":1},[1],"a",2,1,true,false,null,2])",
     R"([null,false,true,1,2,2,"a",[1],{"b":1}] [null,false,true,1,2,"a",[1],{"b":1}] null {"b":1} [2,null,false,true,1,2,"a",[1],{"b":1}])"},
    {"flatten, flatten(1), transpose", "[[1,[2]],[3]]", "[1,2,3] [1,[2],3] [[1,3],[[2],null]]"},
    {"contains({a:[\"oo\"]}), (\"bar\" | inside(\"foobar\")), has(\"a\"), (\"a\" | in({a:1}))", R"({"a":["foo"]})",
     "true true true true"},
    {"split(\", \"), (split(\"\") | join(\"-\")), ascii_upcase, length, utf8bytelength, explode", "\"a, b\"",
     R"(["a","b"] "a-,- -b" "A, B" 4 4 [97,44,32,98])"},
    {"ltrimstr(\"x\"), rtrimstr(\"y\"), startswith(\"x\"), endswith(\"y\"), trim, indices(\"x\"), index(\"y\"), "
     "rindex(\"x\")",
     "\"xay\"", R"("ay" "xa" true true "xay" [0] 2 0)"},
    {"indices(1), indices([1,2]), index(2)", "[1,2,1,2]", "[0,2] [0,2] 1"},
    {"@base64, (@base64 | @base64d), @uri, @html, @sh, @json, @text", "\"<\u00e9 '>\"",
     "\"PMOpICc+\" \"<\u00e9 '>\" \"%3C%C3%A9%20%27%3E\" \"&lt;\u00e9 &#39;&gt;\" \"'<\u00e9 '\\\\''>'\" \"\\\"<\u00e9 "
     "'>\\\"\" \"<\u00e9 '>\""},
    {"@sh", "[[1]]", "error: jq: column 1: array can not be escaped for shell"},
    {"@csv, @csv \"r:\\(.)\"", R"([1,"a\"b",null,true])", R"("1,\"a\"\"b\",,true" "r:1,\"a\"\"b\",,true")"},
    {"@base32, (@base32 | @base32d)", "\"This\"", R"("KRUGS4Y=" "This")"},
    {"tojson | fromjson, tostring", "[1,{\"a\":0.1}]", R"([1,{"a":0.1}] "[1,{\"a\":0.1}]")"},
    {"gmtime, todate, (todate | fromdate), strftime(\"%A, %B %d, %Y\")", "1425599507",
     R"([2015,2,5,23,51,47,4,63] "2015-03-05T23:51:47Z" 1425599507 "Thursday, March 05, 2015")"},
    {"walk(if type == \"number\" then . + 1 else . end), pick(.a), [tostream]", "{\"a\":[1]}",
     R"({"a":[2]} {"a":[1]} [[["a",0],1],[["a",0]],[["a"]]])"},
    {"fromstream(tostream), [combinations], IN([1,2]; [1,2], 3)", "[[1,2]]", "[[1,2]] [[1],[2]] true"},
    {"floor, ceil, round, sqrt, (. | fabs), ([1.5, -1.5] | map(round))", "2.25", "2 3 2 1.5 2.25 [2,-2]"},
    {"$__loc__.line, ({\"a b\": 1} | .\"a b\"), {a: 1 | . + 1}", "null", "1 1 {\"a\":2}"},
    {"{a, \"b\": 2, \"c\\(1)\": 3, @base64 \"x\": 4, (\"d\"): 5}", "{\"a\":1}", R"({"a":1,"b":2,"c1":3,"x":4,"d":5})"},
    {". * 0, . * 2", "\"ab\"", "null \"abab\""},
    {"{a:{b:1}} * {a:{c:2}}, ([1,2,3] - [2]), (\"a,b\" / \",\")", "null", R"({"a":{"b":1,"c":2}} [1,3] ["a","b"])"},
    {"ltrimstr(1), (.a |= .), ([limit(2; .[]?)])", "{}", "{} {\"a\":null} []"},
    {"first, last, nth(1), [nth(1; .[])]", "[1,2]", "1 2 2 [2]"},
    {"[match(\"a(b)?\"; \"g\") | .offset], (match(\"\\u00e9\") | [.offset, .length])", "\"xab\u00e9a\"", "[1,4] [3,1]"},
    {"capture(\"(?<y>[0-9]+)-(?<m>[0-9]+)\"), [scan(\"[0-9]\")], gsub(\"[0-9]\"; \"#\"), split(\"-\"; null), "
     "test(\"X\"; \"i\"), "
     "sub(\"(?<d>[0-9])\"; \"<\\(.d)>\"), gsub(\"\"; \".\"), test(\"^3\")",
     "\"12-3x\"", R"({"y":"12","m":"3"} ["1","2","3"] "##-#x" ["12","3x"] true "<1>2-3x" ".1.2.-.3.x." false)"},
    {"1 +\n now", "null",
     "compile: jq: column 6: now is not available: results must not depend on the machine or the moment; pass what you "
     "need as a variable"},
    {"lenght", "null", "compile: jq: column 1: lenght/0 is not defined; did you mean length?"},
    {".a[", "null", "compile: jq: column 4: the program ends where an expression belongs"},
    {".a.b", "\"secret\"", "error: jq: column 3: Cannot index string with string"},
    {"error(\"secret\")", "null",
     "error: jq: column 1: the program raised an error of its own (the message is data, so it is not shown)"},
    {"\"a\" + 1", "null", "error: jq: column 5: string and number cannot be added"},
};

TEST(Program, GivesTheOutputsOfTheManual) {
  for (const auto& c : kCases) EXPECT_EQ(outputs(c.program, c.input), c.expected) << c.program << " of " << c.input;
}

TEST(Program, BindsVariablesByPosition) {
  const std::vector<std::string> names{"limit", "who"};
  const auto program = Program::compile("select(.n > $limit) | \"\\($who): \\(.n)\"", names);
  ASSERT_TRUE(program);
  const json::value limit = 3, who = "ada";
  const std::vector<const json::value*> values{&limit, &who};
  EXPECT_EQ(program->eval_one({{"n", 4}}, values).value(), json::value("ada: 4"));
  EXPECT_EQ(program->eval_one({{"n", 3}}, values).error().code, Errc::not_found);
  EXPECT_FALSE(program->eval_truth({{"n", 3}}, values).value());
  EXPECT_EQ(Program::compile("$limti", names).error().detail,
            "jq: column 1: $limti is not defined; did you mean $limit?");
}

struct BoundedCase {
  std::string_view program;
  Errc code;
};

TEST(Program, StopsWhatWouldNotEndOrGrowsWithoutLimit) {
  constexpr BoundedCase kBounded[] = {
      {"[range(1e12)] | length", Errc::deadline_exceeded},
      {"def f: f; f", Errc::deadline_exceeded},
      {"def f: 1 + f; f", Errc::too_large},
      {"last(repeat(1))", Errc::deadline_exceeded},
      {"until(false; . + 1)", Errc::deadline_exceeded},
      {"reduce range(100) as $i (\"x\"; . + .)", Errc::too_large},
      {"reduce range(100) as $i ([1]; . + .)", Errc::too_large},
      {"reduce range(100) as $i ({}; {a: ., b: .})", Errc::too_large},
      {"[limit(100; repeat(\"x\" * 1e7))] | length", Errc::too_large},
      {"[range(3000)] | . as $a | [$a[] | $a] | length", Errc::too_large},
      {"[range(20000)] as $a | $a - $a", Errc::deadline_exceeded},
      {"[range(9999)] | map([range(9999)]) | length", Errc::deadline_exceeded},
      {"[.[1e9] = 1]", Errc::invalid_argument},
      {"[[range(1000)] | combinations(9)] | length", Errc::too_large},
  };
  for (const auto& c : kBounded) {
    const auto program = Program::compile(c.program);
    ASSERT_TRUE(program) << c.program << ": " << program.error().detail;
    const auto result = program->eval_all(nullptr, {}, {100'000, 4 * 1024 * 1024});
    ASSERT_FALSE(result) << c.program;
    EXPECT_EQ(result.error().code, c.code) << c.program << ": " << result.error().detail;
  }
}

TEST(Program, PrintsWhatCompilingAndEvaluatingCost) {
  constexpr std::string_view kPrograms[] = {".user.tier == \"gold\" and .amount > 100", ".items | length",
                                            "[.items[] | select(.price > 2) | .name]",
                                            "{id: .user.id, total: ([.items[].price] | add)}", ".user.id"};
  const auto input = *parse_json(
      R"({"user":{"id":7,"tier":"gold"},"amount":250,"items":[{"name":"a","price":1},{"name":"b","price":3}]})");
  const auto us_each = [](int count, auto&& work) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) work();
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count() / count;
  };
  for (const auto source : kPrograms) {
    const auto program = Program::compile(source);
    ASSERT_TRUE(program);
    const double compile = us_each(2000, [&] { EXPECT_TRUE(Program::compile(source)); });
    const double one = us_each(20000, [&] { EXPECT_TRUE(program->eval_one(input)); });
    printf("%-60s compile %6.2f us, evaluate %6.3f us\n", std::string(source).c_str(), compile, one);
  }
}

TEST(Program, RefusesSourcesThatNestTooDeeply) {
  EXPECT_EQ(Program::compile(std::string(5000, '(')).error().code, Errc::too_large);
  EXPECT_EQ(Program::compile(std::string(5000, '[') + std::string(5000, ']')).error().code, Errc::too_large);
  EXPECT_EQ(Program::compile(std::string(kMaxSourceBytes + 1, ' ')).error().code, Errc::too_large);
  std::string chain = "1";
  for (int i = 0; i < 5000; ++i) chain += "|1";
  EXPECT_EQ(Program::compile(chain).error().code, Errc::too_large);
}

}  // namespace
}  // namespace sb::jq
