#include "flow/grpc/weight.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <unordered_map>

namespace sb::flow::grpc {
namespace {

namespace pb = google::protobuf;
using Wire = pb::internal::WireFormatLite;

constexpr int kMessageDepthMax = 100;  // as protobuf's parser; its writer of JSON has no limit for what is in an Any
/// Of one value, measured with protobuf 3.21: 260 to 430 bytes. It also holds the names on the way to it.
constexpr std::size_t kValueBytes = 300;
constexpr std::size_t kNameBytes = 32;
/// A text is there as it came, as JSON (bytes: in base64) and between the two.
constexpr std::size_t kCopies = 3;

std::size_t longest_name(const pb::EnumDescriptor& values) {
  std::size_t longest = 0;
  for (int i = 0; i < values.value_count(); ++i) longest = std::max(longest, values.value(i)->name().size());
  return longest;
}

/// What a value of this field has beside its own bytes.
std::size_t text_of_default(const pb::FieldDescriptor& field) {
  if (field.enum_type()) return longest_name(*field.enum_type());
  return field.cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING ? field.default_value_string().size() : 0;
}

/// Members of JSON objects that came as such: nothing is added to them.
bool is_json_itself(const pb::Descriptor& type) {
  return type.file()->name() == "google/protobuf/struct.proto";
}

class Scales {
 public:
  explicit Scales(std::size_t& left) : left_(left) {}

  Result<> message(const pb::Descriptor& type, std::string_view bytes, std::size_t path, int depth) {
    pb::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
    return fields(type, in, 0, path, depth);
  }

 private:
  /// Of one type, whatever a message of it holds.
  struct Own {
    std::size_t values = 1, bytes = 0;
  };

  static std::unexpected<Error> no_message() { return fail(Errc::upstream_invalid, "it is no message"); }

  Result<> take(std::size_t bytes) {
    if (bytes > left_)
      return fail(Errc::too_large, fmt::format("it would take more than {} MiB of memory, fields that hold their "
                                               "default among it",
                                               kMessageWeightMax >> 20));
    left_ -= bytes;
    return {};
  }

  const Own& own(const pb::Descriptor& type) {
    const auto [found, is_new] = own_.try_emplace(&type);
    if (!is_new || is_json_itself(type)) return found->second;
    for (int i = 0; i < type.field_count(); ++i) {
      ++found->second.values;
      found->second.bytes += type.field(i)->json_name().size() + text_of_default(*type.field(i));
    }
    return found->second;
  }

  // `end`: the tag that ends a group; 0: the message ends with its bytes.
  Result<> fields(const pb::Descriptor& type, pb::io::CodedInputStream& in, std::uint32_t end, std::size_t path,
                  int depth) {
    if (depth > kMessageDepthMax)
      return fail(Errc::too_large, fmt::format("it has more than {} messages within each other", kMessageDepthMax));
    const Own& mine = own(type);
    SB_CHECK(take(mine.values * (kValueBytes + path) + mine.bytes));
    const bool is_any = type.full_name() == "google.protobuf.Any";
    Any any;
    for (;;) {
      const auto tag = in.ReadTag();
      if (tag == end && (end != 0 || in.ConsumedEntireMessage())) break;
      if (tag == 0) return no_message();
      const auto* field = type.FindFieldByNumber(Wire::GetTagFieldNumber(tag));
      SB_CHECK(field ? value(*field, tag, in, path, depth, is_any ? &any : nullptr)
                     : (Wire::SkipField(&in, tag) ? Result<>() : no_message()));
    }
    if (!is_any) return {};
    const auto* inner =
        type.file()->pool()->FindMessageTypeByName(std::string(any.type.substr(any.type.rfind('/') + 1)));
    return inner ? message(*inner, any.value, path + kNameBytes, depth + 1) : Result<>();
  }

  struct Any {
    std::string_view type, value;
  };

  Result<> value(const pb::FieldDescriptor& field, std::uint32_t tag, pb::io::CodedInputStream& in, std::size_t path,
                 int depth, Any* any) {
    const auto type = Wire::GetTagWireType(tag);
    const std::size_t one = kValueBytes + path + field.json_name().size() + text_of_default(field);
    if (type == Wire::WIRETYPE_START_GROUP && field.type() == pb::FieldDescriptor::TYPE_GROUP)
      return fields(*field.message_type(), in, Wire::MakeTag(field.number(), Wire::WIRETYPE_END_GROUP),
                    path + kNameBytes + field.json_name().size(), depth + 1);
    if (type != Wire::WIRETYPE_LENGTH_DELIMITED) {
      SB_CHECK(take(one));
      return Wire::SkipField(&in, tag) ? Result<>() : no_message();
    }
    std::uint32_t size = 0;
    const void* at = nullptr;
    int there = 0;
    if (!in.ReadVarint32(&size)) return no_message();
    if (size > 0 && (!in.GetDirectBufferPointer(&at, &there) || static_cast<std::uint32_t>(there) < size))
      return no_message();
    const std::string_view bytes(static_cast<const char*>(at), size);
    in.Skip(static_cast<int>(size));
    if (field.type() == pb::FieldDescriptor::TYPE_MESSAGE)
      return message(*field.message_type(), bytes, path + kNameBytes + field.json_name().size(), depth + 1);
    if (field.is_packable()) return take(count_packed(field, bytes) * one);
    if (any) (field.number() == 1 ? any->type : any->value) = bytes;
    return take(one + kCopies * size);
  }

  static std::size_t count_packed(const pb::FieldDescriptor& field, std::string_view bytes) {
    switch (Wire::WireTypeForFieldType(static_cast<Wire::FieldType>(field.type()))) {
      case Wire::WIRETYPE_FIXED32:
        return bytes.size() / 4;
      case Wire::WIRETYPE_FIXED64:
        return bytes.size() / 8;
      default:
        return static_cast<std::size_t>(
            std::ranges::count_if(bytes, [](char c) { return (static_cast<unsigned char>(c) & 0x80) == 0; }));
    }
  }

  std::size_t& left_;
  std::unordered_map<const pb::Descriptor*, Own> own_;
};

}  // namespace

Result<> weigh(const google::protobuf::Descriptor& type, std::string_view bytes, std::size_t& left) {
  return Scales(left).message(type, bytes, 0, 0);
}

}  // namespace sb::flow::grpc
