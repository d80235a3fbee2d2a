#include "text/tokenizer/decoder.h"

#include "base/check.h"
#include "text/tokenizer/component.h"
#include "text/tokenizer/decode_stages.h"
#include "text/tokenizer/metaspace.h"

namespace tandem {
namespace {

constexpr int64_t kMaxStrip = 1 << 20;

class DecoderParser {
 public:
  explicit DecoderParser(const std::string& name) : name_(name) {}

  void add(const Json& json, const std::string& path) {
    const JsonReader reader(json, name_, path);
    const std::string& type = reader.string("type");
    if (type == "Sequence") {
      size_t index = 0;
      for (const Json& item : reader.array("decoders"))
        add(item, element_path(path, "decoders", index++));
    } else if (type == "Fuse") {
      joined_ = true;
    } else if (type == "Replace") {
      add_replace(reader);
    } else if (type == "Strip") {
      add_strip(reader);
    } else {
      add_token_stage(type, reader);
    }
  }

  std::vector<Decoder::MakeStage> take() { return std::move(steps_); }

 private:
  void add_replace(const JsonReader& reader) {
    const auto pattern = std::make_shared<const Pattern>(parse_pattern(reader, "pattern"));
    const std::string& content = reader.string("content");
    // One character cannot lie over two fragments.
    const bool single = pattern->literal && !pattern->literal->empty() &&
                        utf8_at(*pattern->literal, 0).size == pattern->literal->size();
    const bool hold = joined_ && !single;
    steps_.push_back([pattern, content, hold] {
      return hold ? replace_in_text_stage(pattern, content) : replace_stage(pattern, content);
    });
  }

  void add_strip(const JsonReader& reader) {
    StripRule rule;
    append_utf8(rule.character, parse_character(reader, "content"));
    rule.start = static_cast<size_t>(reader.integer_or("start", 0, 0, kMaxStrip));
    rule.stop = static_cast<size_t>(reader.integer_or("stop", 0, 0, kMaxStrip));
    const bool joined = joined_;
    steps_.push_back(
        [rule, joined] { return joined ? strip_in_text_stage(rule) : strip_stage(rule); });
  }

  /// Decoders that need whole tokens.
  void add_token_stage(const std::string& type, const JsonReader& reader) {
    if (type != "ByteLevel" && type != "ByteFallback" && type != "Metaspace") {
      unsupported(
          "{} is \"{}\"; known decoders: Sequence, Replace, ByteFallback, Fuse, Strip, ByteLevel, "
          "Metaspace",
          reader.where("type"), type);
    }
    if (joined_)
      unsupported("{}: {} behind a decoder that joins the tokens", reader.where("type"), type);
    if (type == "ByteLevel") {
      steps_.push_back([] { return byte_level_stage(); });
      joined_ = true;
    } else if (type == "ByteFallback") {
      steps_.push_back([] { return byte_fallback_stage(); });
    } else {
      const MetaspaceOptions options = parse_metaspace(reader);
      steps_.push_back([options] {
        return metaspace_stage(options.replacement, options.prepend != PrependScheme::kNever);
      });
    }
  }

  const std::string& name_;
  std::vector<Decoder::MakeStage> steps_;
  bool joined_ = false;
};

}  // namespace

Decoder Decoder::parse(const Json& json, const std::string& name) {
  if (json.is_null()) return Decoder({[] { return join_with_spaces(); }});
  DecoderParser parser(name);
  parser.add(json, "decoder");
  return Decoder(parser.take());
}

std::vector<std::unique_ptr<DecodeStage>> Decoder::make_stages() const {
  std::vector<std::unique_ptr<DecodeStage>> stages;
  for (const MakeStage& make : steps_) stages.push_back(make());
  return stages;
}

void DecodeChain::push_from(size_t stage, std::string_view token, std::string& out) {
  if (stage == stages_.size()) {
    out.append(token);
    return;
  }
  stages_[stage]->push(token, [&](std::string_view text) { push_from(stage + 1, text, out); });
}

void DecodeChain::finish(std::string& out) {
  for (size_t i = 0; i < stages_.size(); ++i)
    stages_[i]->finish([&](std::string_view text) { push_from(i + 1, text, out); });
}

}  // namespace tandem
