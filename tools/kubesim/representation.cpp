#include "tools/kubesim/representation.hpp"

#include <algorithm>

#include "tools/kubesim/protobuf_writer.hpp"
#include "tools/kubesim/tables.hpp"

namespace fairlead::kubesim {
namespace {

constexpr std::string_view protobuf_type = "application/vnd.kubernetes.protobuf";

const std::string& protobuf_of(const Object& object) {
  if (object.protobuf.empty()) object.protobuf = write_protobuf(to_json(object), protobuf_schema_of(*object.kind));
  return object.protobuf;
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

Json metadata_of(const Object& object, const std::string& version) {
  const Json whole = to_json(object);
  return {{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/" + version}, {"metadata", whole["metadata"]}};
}

Json table_row(const Object& object, const Representation& representation) {
  const Json whole = to_json(object);
  Json row = {{"cells", table_cells(*object.kind, whole)}};
  if (representation.include_object == "Object") {
    row["object"] = whole;
  } else if (representation.include_object != "None") {
    row["object"] = metadata_of(object, representation.version);
  }
  return row;
}

}  // namespace

std::vector<MediaRange> parse_accept(std::string_view accept) {
  std::vector<MediaRange> ranges;
  while (!accept.empty()) {
    std::string_view range = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(accept.size(), range.size() + 1));
    MediaRange parsed;
    const std::string_view type = range.substr(0, range.find(';'));
    parsed.type = trim(type);
    range.remove_prefix(std::min(range.size(), type.size() + 1));
    while (!range.empty()) {
      const std::string_view parameter = range.substr(0, range.find(';'));
      range.remove_prefix(std::min(range.size(), parameter.size() + 1));
      const auto equals = parameter.find('=');
      if (equals == std::string_view::npos) continue;
      const std::string_view name = trim(parameter.substr(0, equals));
      const std::string_view value = trim(parameter.substr(equals + 1));
      if (name == "as") parsed.as = value;
      if (name == "g") parsed.group = value;
      if (name == "v") parsed.version = value;
      if (name == "stream") parsed.stream = value;
    }
    if (!parsed.type.empty()) ranges.push_back(std::move(parsed));
  }
  return ranges;
}

std::optional<Representation> negotiate(std::string_view accept, std::string_view include_object,
                                        const Kind* protobuf_of) {
  const std::vector<MediaRange> ranges = parse_accept(accept);
  if (ranges.empty()) return Representation{};
  for (const MediaRange& range : ranges) {
    if (range.type == protobuf_type && range.as.empty() && protobuf_of != nullptr &&
        !protobuf_schema_of(*protobuf_of).empty()) {
      Representation representation;
      representation.is_protobuf = true;
      representation.content_type = protobuf_type;
      if (!range.stream.empty()) representation.content_type += ";stream=" + range.stream;
      return representation;
    }
    if (range.type != "application/json" && range.type != "*/*" && range.type != "application/*") continue;
    if (range.as.empty()) return Representation{};
    if (range.group != "meta.k8s.io" || (range.version != "v1" && range.version != "v1beta1")) continue;
    Representation representation;
    representation.version = range.version;
    representation.content_type = "application/json;as=" + range.as + ";v=" + range.version + ";g=meta.k8s.io";
    if (range.as == "Table") {
      representation.form = Form::table;
      if (!include_object.empty()) representation.include_object = include_object;
      return representation;
    }
    if (range.as == "PartialObjectMetadata" || range.as == "PartialObjectMetadataList") {
      representation.form = Form::metadata;
      return representation;
    }
  }
  return std::nullopt;
}

std::string render(const Object& object, const Representation& representation) {
  switch (representation.form) {
    case Form::object:
      if (!representation.is_protobuf) return to_text(object);
      return wrap_protobuf(object.kind->api_version(), object.kind->name, protobuf_of(object));
    case Form::metadata: return print_json(metadata_of(object, representation.version));
    case Form::table:
      return print_json({{"kind", "Table"},
                         {"apiVersion", "meta.k8s.io/" + representation.version},
                         {"metadata", {{"resourceVersion", std::to_string(object.version)}}},
                         {"columnDefinitions", table_columns(*object.kind)},
                         {"rows", Json::array({table_row(object, representation)})}});
  }
  return {};
}

std::string render_list_head(const Kind& kind, const Json& metadata, const std::vector<ObjectPtr>& objects,
                             const Representation& representation) {
  if (representation.is_protobuf) {
    std::size_t octets = 0;
    for (const ObjectPtr& object : objects) octets += protobuf_list_item(protobuf_of(*object)).size();
    return protobuf_list_head(kind, metadata, octets);
  }
  std::string head = "{\"kind\":\"";
  switch (representation.form) {
    case Form::object:
      head.append(kind.name).append("List\",\"apiVersion\":\"").append(kind.api_version());
      return head.append("\",\"metadata\":").append(print_json(metadata)).append(",\"items\":[");
    case Form::metadata:
      head.append("PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/").append(representation.version);
      return head.append("\",\"metadata\":").append(print_json(metadata)).append(",\"items\":[");
    case Form::table:
      head.append("Table\",\"apiVersion\":\"meta.k8s.io/").append(representation.version);
      head.append("\",\"metadata\":").append(print_json(metadata)).append(",\"columnDefinitions\":");
      return head.append(print_json(table_columns(kind))).append(",\"rows\":[");
  }
  return head;
}

std::string render_list_item(const Object& object, const Representation& representation) {
  switch (representation.form) {
    case Form::object:
      if (representation.is_protobuf) return protobuf_list_item(protobuf_of(object));
      return object.kind->is_custom ? to_text(object) : object.text;
    case Form::metadata: return print_json(metadata_of(object, representation.version));
    case Form::table: return print_json(table_row(object, representation));
  }
  return {};
}

std::string_view list_separator(const Representation& representation) { return representation.is_protobuf ? "" : ","; }

std::string_view list_end(const Representation& representation) { return representation.is_protobuf ? "" : "]}\n"; }

std::string render_event(std::string_view type, std::string_view object, const Representation& representation) {
  if (representation.is_protobuf) return protobuf_event(type, object);
  std::string line = "{\"type\":\"";
  return line.append(type).append("\",\"object\":").append(object).append("}\n");
}

std::string render_json(const Json& object, std::span<const ProtobufField> fields,
                        const Representation& representation) {
  if (!representation.is_protobuf) return print_json(object);
  return wrap_protobuf(object["apiVersion"].get_ref<const std::string&>(), object["kind"].get_ref<const std::string&>(),
                       write_protobuf(object, fields));
}

}  // namespace fairlead::kubesim
