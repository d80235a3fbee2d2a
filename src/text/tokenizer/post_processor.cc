#include "text/tokenizer/post_processor.h"

#include <limits>

#include "base/check.h"
#include "text/tokenizer/component.h"

namespace tandem {
namespace {

void append_ids(const JsonReader& reader, const std::string& token, std::vector<int32_t>& out) {
  const JsonReader tokens = reader.object("special_tokens");
  for (const Json& id : tokens.object(token).array("ids")) {
    if (!id.is_int() || id.integer() < 0 || id.integer() > std::numeric_limits<int32_t>::max()) {
      bad_input("{}: an id of \"{}\" is {}; expected a number from 0 on",
                reader.where("special_tokens"), token, id.kind());
    }
    out.push_back(static_cast<int32_t>(id.integer()));
  }
}

Frame parse_template(const JsonReader& reader, const std::string& name, const std::string& path) {
  Frame frame;
  bool seen = false;
  size_t index = 0;
  for (const Json& item : reader.array("single")) {
    const JsonReader piece(item, name, element_path(path, "single", index++));
    if (piece.has("SpecialToken")) {
      append_ids(reader, piece.object("SpecialToken").string("id"),
                 seen ? frame.after : frame.before);
      continue;
    }
    const std::string& sequence = piece.object("Sequence").string("id");
    if (sequence != "A" || seen) {
      bad_input("{}: sequence \"{}\"; expected \"A\", once", reader.where("single"), sequence);
    }
    seen = true;
  }
  if (!seen) bad_input("{} has no sequence \"A\"", reader.where("single"));
  return frame;
}

Frame parse_at(const Json& json, const std::string& name, const std::string& path) {
  if (json.is_null()) return {};
  const JsonReader reader(json, name, path);
  const std::string& type = reader.string("type");
  if (type == "ByteLevel") return {};
  if (type == "TemplateProcessing") return parse_template(reader, name, path);
  if (type != "Sequence") {
    unsupported("{} is \"{}\"; known post-processors: Sequence, TemplateProcessing, ByteLevel",
                reader.where("type"), type);
  }
  Frame all;
  size_t index = 0;
  for (const Json& item : reader.array("processors")) {
    const Frame next = parse_at(item, name, element_path(path, "processors", index++));
    all.before.insert(all.before.begin(), next.before.begin(), next.before.end());
    all.after.insert(all.after.end(), next.after.begin(), next.after.end());
  }
  return all;
}

}  // namespace

Frame parse_post_processor(const Json& json, const std::string& name) {
  return parse_at(json, name, "post_processor");
}

}  // namespace tandem
