#include "script/javascript.h"

#include <fmt/format.h>
#include <quickjs.h>

#include <array>
#include <ctime>
#include <memory>

namespace sb::script {
namespace {

constexpr std::size_t kStackBytes = 512 * 1024;

// What would make two runs differ is refused, with the way out. Dates of a given time stay usable.
constexpr std::string_view kPrelude = R"js((() => {
  const refuse = (what) => () => { throw new TypeError(what + " is not available: pass the value in the input"); };
  const Native = Date, noClock = refuse("the current time");
  function Fixed(...parts) { if (!new.target || parts.length === 0) noClock(); return Reflect.construct(Native, parts, new.target); }
  Fixed.prototype = Native.prototype;
  Native.prototype.constructor = Fixed;
  Fixed.UTC = Native.UTC; Fixed.parse = Native.parse; Fixed.now = noClock;
  globalThis.Date = Fixed;
  Math.random = refuse("randomness");
})();)js";

std::int64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

struct Deadline {
  std::int64_t at_ms;
  bool passed = false;
};

int interrupt(JSRuntime*, void* opaque) {
  auto& deadline = *static_cast<Deadline*>(opaque);
  deadline.passed = deadline.passed || monotonic_ms() >= deadline.at_ms;
  return deadline.passed ? 1 : 0;
}

struct RuntimeDeleter {
  void operator()(JSRuntime* runtime) const { JS_FreeRuntime(runtime); }
};
struct ContextDeleter {
  void operator()(JSContext* context) const { JS_FreeContext(context); }
};

/// Frees its value; the context outlives it.
class Scoped {
 public:
  Scoped(JSContext* context, JSValue value) : context_(context), value_(value) {}
  ~Scoped() { JS_FreeValue(context_, value_); }
  Scoped(const Scoped&) = delete;
  Scoped& operator=(const Scoped&) = delete;
  JSValue get() const { return value_; }
  bool failed() const { return JS_IsException(value_); }
  JSValue release() { return std::exchange(value_, JS_UNDEFINED); }

 private:
  JSContext* context_;
  JSValue value_;
};

std::string text_property(JSContext* context, JSValue object, const char* name) {
  const Scoped value(context, JS_GetPropertyStr(context, object, name));
  if (!JS_IsString(value.get())) return {};
  const char* text = JS_ToCString(context, value.get());
  if (!text) return {};
  std::string copy(text);
  JS_FreeCString(context, text);
  return copy;
}

// ":LINE" of the innermost frame inside the script; the stack holds function names, which we do not pass on.
std::string line_of(std::string_view stack) {
  const auto at = stack.find("script:");
  if (at == std::string_view::npos) return {};
  const auto digits = stack.substr(at + 7, stack.find_first_not_of("0123456789", at + 7) - (at + 7));
  return digits.empty() || digits.size() > 6 ? std::string() : fmt::format(" at line {}", digits);
}

class Call {
 public:
  explicit Call(const JavaScriptCall& call)
      : call_(call), deadline_{monotonic_ms() + call.timeout_ms}, runtime_(JS_NewRuntime()) {
    if (!runtime_) return;
    JS_SetMemoryLimit(runtime_.get(), std::size_t{call.memory_mib} * 1024 * 1024);
    JS_SetMaxStackSize(runtime_.get(), kStackBytes);
    JS_SetInterruptHandler(runtime_.get(), interrupt, &deadline_);
    context_.reset(JS_NewContextRaw(runtime_.get()));
    auto* context = context_.get();
    if (!context) return;
    JS_AddIntrinsicBaseObjects(context);
    JS_AddIntrinsicDate(context);
    JS_AddIntrinsicEval(context);
    JS_AddIntrinsicRegExp(context);
    JS_AddIntrinsicJSON(context);
    JS_AddIntrinsicProxy(context);
    JS_AddIntrinsicMapSet(context);
    JS_AddIntrinsicTypedArrays(context);
    JS_AddIntrinsicPromise(context);
    JS_AddIntrinsicBigInt(context);
    const Scoped ready(context, JS_Eval(context, kPrelude.data(), kPrelude.size(), "prelude", JS_EVAL_TYPE_GLOBAL));
    usable_ = !ready.failed();
  }

  JavaScriptAnswer run() {
    if (!usable_) return {Outcome::memory, "the script's memory limit is too small for JavaScript itself"};
    auto* context = context_.get();
    const Scoped function(context, load());
    if (function.failed()) return failure(loading_ ? Outcome::syntax : Outcome::thrown);
    if (!JS_IsFunction(context, function.get()))
      return {Outcome::syntax, "nothing to call: write `export default function (input) {...}` or define main(input)"};
    if (call_.input.empty()) return {Outcome::result, "null"};
    const std::string input(call_.input);  // JS_ParseJSON wants a zero behind it
    const Scoped argument(context, JS_ParseJSON(context, input.c_str(), input.size(), "input"));
    if (argument.failed()) return failure(Outcome::thrown);
    JSValue arguments[] = {argument.get()};
    Scoped result(context, JS_Call(context, function.get(), JS_UNDEFINED, 1, arguments));
    if (result.failed()) return failure(Outcome::thrown);
    if (JS_IsPromise(result.get())) return settle(result.get());
    return answer(result.get());
  }

 private:
  bool drain() {
    JSContext* context = nullptr;
    int more = 1;
    while ((more = JS_ExecutePendingJob(runtime_.get(), &context)) > 0) {
    }
    return more == 0;
  }

  // The function to call; loading_ tells whether compiling or running failed.
  JSValue load() {
    auto* context = context_.get();
    const std::string source(call_.source);
    const bool module = source.find("export default") != std::string::npos;
    const int type = module ? JS_EVAL_TYPE_MODULE : JS_EVAL_TYPE_GLOBAL;
    JSValue compiled = JS_Eval(context, source.c_str(), source.size(), "script", type | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(compiled)) return compiled;
    auto* definition = module ? static_cast<JSModuleDef*>(JS_VALUE_GET_PTR(compiled)) : nullptr;
    const Scoped evaluated(context, JS_EvalFunction(context, compiled));  // takes `compiled`
    loading_ = false;
    if (evaluated.failed()) return JS_EXCEPTION;
    if (!drain()) return JS_EXCEPTION;
    if (module && JS_IsPromise(evaluated.get()) && JS_PromiseState(context, evaluated.get()) != JS_PROMISE_FULFILLED) {
      if (JS_PromiseState(context, evaluated.get()) == JS_PROMISE_PENDING) return JS_UNDEFINED;
      return JS_Throw(context, JS_PromiseResult(context, evaluated.get()));
    }
    const Scoped space(context, module ? JS_GetModuleNamespace(context, definition) : JS_GetGlobalObject(context));
    return JS_GetPropertyStr(context, space.get(), module ? "default" : "main");
  }

  JavaScriptAnswer settle(JSValue promise) {
    auto* context = context_.get();
    if (!drain()) return failure(Outcome::thrown);
    const auto state = JS_PromiseState(context, promise);
    if (state == JS_PROMISE_PENDING)
      return {Outcome::refused, "its promise never settles: there is nothing to wait for in a script"};
    const Scoped value(context, JS_PromiseResult(context, promise));
    if (state == JS_PROMISE_FULFILLED) return answer(value.get());
    JS_Throw(context, JS_DupValue(context, value.get()));
    return failure(Outcome::thrown);
  }

  JavaScriptAnswer answer(JSValue value) {
    auto* context = context_.get();
    const Scoped text(context, JS_JSONStringify(context, value, JS_UNDEFINED, JS_UNDEFINED));
    if (text.failed()) return failure(Outcome::thrown);
    if (!JS_IsString(text.get()))
      return {Outcome::refused, "it returned something that JSON has no form for (undefined, a function)"};
    std::size_t size = 0;
    const char* bytes = JS_ToCStringLen(context, &size, text.get());
    if (!bytes) return failure(Outcome::thrown);
    JavaScriptAnswer result{Outcome::result, {}};
    if (size > call_.result_bytes_max)
      result = {Outcome::too_large, fmt::format("its result is over {} bytes", call_.result_bytes_max)};
    else
      result.text.assign(bytes, size);
    JS_FreeCString(context, bytes);
    return result;
  }

  // The error's class if it is one of the language's own, and the line: its message may be made of data.
  JavaScriptAnswer failure(Outcome outcome) {
    auto* context = context_.get();
    const Scoped exception(context, JS_GetException(context));
    if (deadline_.passed) return {Outcome::timeout, fmt::format("it ran longer than {} ms", call_.timeout_ms)};
    const std::string name = text_property(context, exception.get(), "name");
    const std::string message = text_property(context, exception.get(), "message");
    if (name == "InternalError" && message == "out of memory")
      return {Outcome::memory, fmt::format("it needed more than {} MiB", call_.memory_mib)};
    if (JS_IsNull(exception.get()))
      return {Outcome::memory, fmt::format("it needed more than {} MiB", call_.memory_mib)};
    static constexpr std::array<std::string_view, 8> kKnown{"Error",       "TypeError", "RangeError", "ReferenceError",
                                                            "SyntaxError", "EvalError", "URIError",   "InternalError"};
    const bool known = std::ranges::find(kKnown, name) != kKnown.end();
    const std::string line = line_of(text_property(context, exception.get(), "stack"));
    // A syntax error's text is about the source, which is no secret; it says what to repair.
    if (outcome == Outcome::syntax) return {outcome, fmt::format("SyntaxError{}: {}", line, message)};
    return {outcome, fmt::format("it threw {}{}", known ? name : "a value of its own", line)};
  }

  const JavaScriptCall& call_;
  Deadline deadline_;
  std::unique_ptr<JSRuntime, RuntimeDeleter> runtime_;
  std::unique_ptr<JSContext, ContextDeleter> context_;
  bool usable_ = false;
  bool loading_ = true;
};

}  // namespace

JavaScriptAnswer run_javascript(const JavaScriptCall& call) {
  return Call(call).run();
}

}  // namespace sb::script
