#include "flow/grpc/proto.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <mutex>
#include <vector>

namespace sb::flow::grpc {
namespace {

namespace pb = google::protobuf;

/// Brackets within brackets: protobuf descends into each, and has no limit of its own everywhere.
constexpr int kDepthMax = 64;

/// Reserved numbers and extensions: protobuf holds each against all others of its message.
constexpr int kRangesMax = 2'000;
/// Protobuf descends from each message into those of its fields when it makes the first: a chain of 12,300 takes
/// between 4 and 6 MB of a thread's stack.
constexpr int kTypesMax = 2'000;
/// What stands before the name of a type that JSON names.
constexpr const char* kTypeHost = "type.googleapis.com";
/// Names, numbers, signs. Protobuf is busy for 0.3 s with 256 KiB of the shortest, and a registration waits on a
/// shard's thread. This is one in five bytes of the longest file.
constexpr int kTokensMax = 50'000;
/// A name may be as long as the file.
constexpr std::size_t kErrorBytesMax = 300;

std::string shortened(std::string text) {
  if (text.size() <= kErrorBytesMax) return text;
  return text.substr(0, kErrorBytesMax) + "...";
}

/// Keeps what is wrong first. Protobuf counts lines and columns from 0.
class FirstError : public pb::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (text_.empty()) text_ = fmt::format("line {}, column {}: {}", line + 1, column + 1, message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// What is wrong with the meaning of a file that parsed; where, the parser has written down.
class FirstMeaning : public pb::DescriptorPool::ErrorCollector {
 public:
  explicit FirstMeaning(const pb::compiler::SourceLocationTable& places) : places_(places) {}
  void AddError(const std::string&, const std::string& element, const pb::Message* descriptor, ErrorLocation location,
                const std::string& message) override {
    if (!text_.empty()) return;
    int line = 0, column = 0;
    text_ = places_.Find(descriptor, location, &line, &column)
                ? fmt::format("line {}, column {}: {}: {}", line + 1, column + 1, element, message)
                : fmt::format("{}: {}", element, message);
  }
  const std::string& text() const { return text_; }

 private:
  const pb::compiler::SourceLocationTable& places_;
  std::string text_;
};

Result<> check_size(std::string_view text) {
  pb::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  FirstError errors;
  pb::io::Tokenizer tokens(&input, &errors);
  int depth = 0, count = 0;
  while (tokens.Next()) {
    const auto& token = tokens.current();
    if (++count > kTokensMax)
      return fail(Errc::too_large, fmt::format("the proto has more than {} names, numbers and signs", kTokensMax));
    if (token.type != pb::io::Tokenizer::TYPE_SYMBOL) continue;
    const char symbol = token.text.front();
    if (symbol == '{' || symbol == '[' || symbol == '(' || symbol == '<') ++depth;
    if (symbol == '}' || symbol == ']' || symbol == ')' || symbol == '>') --depth;
    if (depth > kDepthMax)
      return fail(Errc::too_large, fmt::format("line {}, column {}: more than {} brackets within each other",
                                               token.line + 1, token.column + 1, kDepthMax));
  }
  if (!errors.text().empty()) return fail(Errc::invalid_argument, shortened(errors.text()));
  return {};
}

int ranges_of(const pb::EnumDescriptorProto& values) {
  return values.reserved_range_size();
}

int ranges_of(const pb::DescriptorProto& message) {
  int count = message.reserved_range_size() + message.extension_range_size();
  for (const auto& nested : message.nested_type()) count += ranges_of(nested);
  for (const auto& nested : message.enum_type()) count += ranges_of(nested);
  return count;
}

int ranges_of(const pb::FileDescriptorProto& file) {
  int count = 0;
  for (const auto& message : file.message_type()) count += ranges_of(message);
  for (const auto& values : file.enum_type()) count += ranges_of(values);
  return count;
}

int messages_of(const pb::DescriptorProto& message) {
  int count = 1;
  for (const auto& nested : message.nested_type()) count += messages_of(nested);
  return count;
}

int messages_of(const pb::FileDescriptorProto& file) {
  int count = 0;
  for (const auto& message : file.message_type()) count += messages_of(message);
  return count;
}

/// Puts a file of protobuf's own, and what it imports in turn, into `pool`. False: protobuf has no such file.
bool add_own(pb::DescriptorPool& pool, const std::string& name) {
  if (pool.FindFileByName(name)) return true;
  const auto* own =
      name.starts_with("google/protobuf/") ? pb::DescriptorPool::generated_pool()->FindFileByName(name) : nullptr;
  if (!own) return false;
  pb::FileDescriptorProto file;
  own->CopyTo(&file);
  for (const auto& import : file.dependency()) {
    if (!add_own(pool, import)) return false;
  }
  return pool.BuildFile(file) != nullptr;
}

/// Messages of one file. DynamicMessageFactory is thread-safe, and so is a pool that is complete.
struct Messages {
  pb::DescriptorPool pool;
  pb::DynamicMessageFactory factory;
  const std::unique_ptr<pb::util::TypeResolver> types{pb::util::NewTypeResolverForDescriptorPool(kTypeHost, &pool)};
};

class ProtoMethod final : public Method {
 public:
  ProtoMethod(std::shared_ptr<Messages> messages, const pb::MethodDescriptor* method)
      : messages_(std::move(messages)),
        method_(method),
        path_(fmt::format("/{}/{}", method->service()->full_name(), method->name())) {}

  const std::string& path() const override { return path_; }
  bool streams_answer() const override { return method_->server_streaming(); }

  // JSON of a few bytes may be a message of many: what came out is weighed before protobuf makes it.
  Result<std::string> request(std::string_view json) const override {
    if (json.size() > kArgumentBytesMax)
      return fail(Errc::too_large, fmt::format("the arguments have more than {} MiB", kArgumentBytesMax >> 20));
    const auto* type = method_->input_type();
    std::string bytes;
    const auto read = pb::util::JsonToBinaryString(
        messages_->types.get(), fmt::format("{}/{}", kTypeHost, type->full_name()), {json.data(), json.size()}, &bytes);
    // What protobuf says names fields; it may repeat a value as well, and that is the run's.
    if (!read.ok())
      return fail(Errc::invalid_argument,
                  fmt::format("the arguments are no {}{}", type->full_name(), unknown_field(read.message())));
    std::size_t weight_left = kMessageWeightMax;
    if (const auto weighed = weigh(*type, bytes, weight_left); !weighed)
      return fail(weighed.error().code,
                  fmt::format("the arguments are too large a {}: {}", type->full_name(), weighed.error().detail));
    const auto message = make(type);
    if (!message->ParsePartialFromString(bytes) || !message->IsInitialized())
      return fail(Errc::invalid_argument, fmt::format("the arguments are no {}", type->full_name()));
    return message->SerializePartialAsString();
  }

  Result<std::string> answer(std::string_view bytes, std::size_t& weight_left) const override {
    const auto* type = method_->output_type();
    if (const auto weighed = weigh(*type, bytes, weight_left); !weighed && weighed.error().code == Errc::too_large)
      return fail(Errc::too_large, fmt::format("the answer is too large: {}", weighed.error().detail));
    const auto message = make(type);
    std::string json;
    pb::util::JsonPrintOptions options;
    options.always_print_primitive_fields = true;
    if (!message->ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size())) || !message->IsInitialized() ||
        !pb::util::MessageToJsonString(*message, &json, options).ok())
      return fail(Errc::upstream_invalid, fmt::format("the answer is no {}", type->full_name()));
    return json;
  }

 private:
  std::unique_ptr<pb::Message> make(const pb::Descriptor* type) const {
    return std::unique_ptr<pb::Message>(messages_->factory.GetPrototype(type)->New());
  }
  std::string unknown_field(pb::StringPiece said) const {
    const std::string_view text(said.data(), said.size());
    constexpr std::string_view kBefore = "Cannot find field";
    if (text.find(kBefore) == std::string_view::npos) return "";
    std::vector<std::string> names;
    for (int i = 0; i < method_->input_type()->field_count(); ++i)
      names.push_back(method_->input_type()->field(i)->json_name());
    return fmt::format(": a field is not known; it has {}", fmt::join(names, ", "));
  }

  std::shared_ptr<Messages> messages_;
  const pb::MethodDescriptor* method_;
  std::string path_;
};

class ProtoFile final : public Proto {
 public:
  ProtoFile(std::shared_ptr<Messages> messages, const pb::FileDescriptor* file)
      : messages_(std::move(messages)), file_(file) {}

  Result<std::shared_ptr<const Method>> method(std::string_view service, std::string_view name) const override {
    std::vector<std::string> known;
    for (int i = 0; i < file_->service_count(); ++i) {
      if (file_->service(i)->full_name() == service) return of_service(*file_->service(i), name);
      known.push_back(file_->service(i)->full_name());
    }
    return fail(Errc::not_found,
                known.empty()
                    ? std::string("the proto has no service")
                    : fmt::format("the proto has no service `{}`; it has {}", service, fmt::join(known, ", ")),
                "service");
  }

 private:
  Result<std::shared_ptr<const Method>> of_service(const pb::ServiceDescriptor& service, std::string_view name) const {
    std::vector<std::string> known;
    for (int i = 0; i < service.method_count(); ++i) {
      const auto* method = service.method(i);
      known.push_back(method->name());
      if (method->name() != name) continue;
      if (method->client_streaming())
        return fail(Errc::unsupported,
                    fmt::format("method `{}` takes a stream of messages: not supported by this server", name),
                    "method");
      return std::make_shared<const ProtoMethod>(messages_, method);
    }
    return fail(
        Errc::not_found,
        fmt::format("service `{}` has no method `{}`; it has {}", service.full_name(), name, fmt::join(known, ", ")),
        "method");
  }

  std::shared_ptr<Messages> messages_;
  const pb::FileDescriptor* file_;
};

}  // namespace

Result<std::shared_ptr<const Proto>> Proto::read(std::string_view text) {
  // Protobuf would tell stderr what it thinks of a message: nothing of a run is logged.
  static std::once_flag quiet;
  std::call_once(quiet, [] { pb::SetLogHandler(nullptr); });
  if (text.size() > kProtoBytesMax)
    return fail(Errc::too_large, fmt::format("the proto has more than {} bytes", kProtoBytesMax));
  SB_CHECK(check_size(text));
  pb::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  FirstError errors;
  pb::io::Tokenizer tokens(&input, &errors);
  pb::compiler::Parser parser;
  pb::compiler::SourceLocationTable places;
  parser.RecordErrorsTo(&errors);
  parser.RecordSourceLocationsTo(&places);
  pb::FileDescriptorProto file;
  if (!parser.Parse(&tokens, &file) || !errors.text().empty())
    return fail(Errc::invalid_argument, shortened(errors.text()));
  if (ranges_of(file) > kRangesMax)
    return fail(Errc::too_large,
                fmt::format("the proto has more than {} ranges of reserved numbers and extensions", kRangesMax));
  if (messages_of(file) > kTypesMax)
    return fail(Errc::too_large, fmt::format("the proto has more than {} messages", kTypesMax));
  file.set_name("the proto");
  auto messages = std::make_shared<Messages>();
  for (const auto& import : file.dependency()) {
    if (!add_own(messages->pool, import))
      return fail(Errc::unsupported,
                  fmt::format("import `{}` is not supported by this server: a proto imports google/protobuf/*.proto, "
                              "and has everything else in itself",
                              shortened(import)));
  }
  FirstMeaning meaning(places);
  const auto* built = messages->pool.BuildFileCollectingErrors(file, &meaning);
  if (!built) return fail(Errc::invalid_argument, shortened(meaning.text()));
  return std::make_shared<const ProtoFile>(std::move(messages), built);
}

}  // namespace sb::flow::grpc
