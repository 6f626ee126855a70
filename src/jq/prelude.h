/// Builtins that are short in jq itself, in parts that do not know each other. Parsed once per process, on first use.
#pragma once

#include <string_view>

namespace sb::jq {

// A later definition may use earlier ones and natives only. The definitions follow the manual's descriptions.
inline constexpr std::string_view kPreludeSource = R"jq(
def values: select(. != null);
def nulls: select(. == null);
def booleans: select(type == "boolean");
def numbers: select(type == "number");
def strings: select(type == "string");
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type == "array" or type == "object");
def scalars: select(type != "array" and type != "object");
def finites: select(isinfinite or isnan | not);
def normals: select(isnormal);
def map_values(f): .[] |= f;
def first: .[0];
def last: .[-1];
def nth($n): .[$n];
def nth($n; f): if $n < 0 then error("nth doesn't support negative indices") else last(limit($n + 1; f)) end;
def to_entries: [keys_unsorted[] as $k | {key: $k, value: .[$k]}];
def with_entries(f): to_entries | map(f) | from_entries;
def paths: path(..) | select(length > 0);
def paths(f): path(.. | select(f)) | select(length > 0);
def leaf_paths: paths(scalars);
def del(f): delpaths([path(f)]);
def pick(f): . as $top | reduce path(f) as $p (null; setpath($p; $top | getpath($p)));
def recurse(f; c): recurse(f | select(c));
def walk(f): def w: if type == "object" then map_values(w) elif type == "array" then map(w) else . end | f; w;
def in($container): . as $key | $container | has($key);
def inside($container): . as $part | $container | contains($part);
def combinations: if length == 0 then [] else .[0][] as $x | (.[1:] | combinations) as $w | [$x] + $w end;
def combinations(n): . as $dot | [range(n)] | map($dot) | combinations;
def tostream: path(def r: (.[]? | r), .; r) as $p | getpath($p) | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);
def fromstream(f): {x: null, e: false} as $init
  | foreach f as $i ($init; if .e then $init else . end
      | if $i | length == 2 then setpath(["e"]; $i[0] | length == 0) | setpath(["x"] + $i[0]; $i[1])
        else setpath(["e"]; $i[0] | length == 1) end;
      if .e then .x else empty end);
def truncate_stream(stream): . as $n | null | stream | . as $i | if ($i[0] | length) > $n then setpath([0]; $i[0][$n:]) else empty end;
def todate: strftime("%Y-%m-%dT%H:%M:%SZ");
def fromdateiso8601: strptime("%Y-%m-%dT%H:%M:%SZ") | mktime;
def todateiso8601: todate;
def fromdate: fromdateiso8601;
def date: todate;
def dateadd(u; n): . + n;
def datesub(u; n): . - n;
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] |= $row);
def INDEX(f): INDEX(.[]; f);
def IN(s): any(s == .; .);
def IN(src; s): any(src == s; .);
def ascii: [.] | implode;
def add(f): reduce f as $x (null; . + $x);
)jq";

inline constexpr std::string_view kRegexPreludeSource = R"jq(
def match($re; $flags): __match($re; $flags; false)[];
def match($val): if $val | type == "array" then match($val[0]; $val[1]) else match($val; null) end;
def test($re; $flags): __match($re; $flags; true);
def test($val): if $val | type == "array" then test($val[0]; $val[1]) else test($val; null) end;
def __named: reduce (.captures[] | select(.name != null)) as $c ({}; .[$c.name] = $c.string);
def capture($re; $flags): match($re; $flags) | __named;
def capture($val): match($val) | __named;
def scan($re; $flags): match($re; "g" + $flags) | if .captures == [] then .string else [.captures[].string] end;
def scan($re): scan($re; null);
def split($re; $flags): . as $in | [match($re; "g" + $flags)] as $all
  | [range(0; $all | length) as $i | $in[(if $i == 0 then 0 else $all[$i - 1] | .offset + .length end):$all[$i].offset]]
    + [$in[(if $all == [] then 0 else $all[-1] | .offset + .length end):]];
def splits($re; $flags): split($re; $flags)[];
def splits($re): splits($re; null);
def sub($re; str; $flags): . as $in | [match($re; $flags)] as $all
  | def go($i; $from): if $i == ($all | length) then $in[$from:]
      else $all[$i] as $m | ($m | __named | str) as $new
        | if $new | type == "string" then $in[$from:$m.offset] + $new + go($i + 1; $m.offset + $m.length)
          else error("the replacement is not a string") end end;
    go(0; 0);
def sub($re; str): sub($re; str; "");
def gsub($re; str; $flags): sub($re; str; $flags + "g");
def gsub($re; str): sub($re; str; "g");
)jq";

}  // namespace sb::jq
