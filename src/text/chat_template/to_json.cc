// Python's json.dumps().
#include <algorithm>
#include <cmath>

#include "text/chat_template/print.h"
#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Runtime& rt, const JsonStyle& style) : rt_(rt), style_(style) {}
  std::string take() { return std::move(out_); }

  void write(const Value& value) {
    charge();
    if (value.is_none()) {
      out_ += "null";
    } else if (value.is_bool()) {
      out_ += value.boolean() ? "true" : "false";
    } else if (value.is_int()) {
      out_ += int_text(value.integer());
    } else if (value.is_float()) {
      real(value.number());
    } else if (value.is_string()) {
      string(value.string());
    } else if (value.is_sequence() && value.sequence().kind <= SequenceKind::kTuple) {
      list(value.sequence().items);
    } else if (value.is_dict()) {
      dict(value.dict());
    } else {
      rt_.fail("a value of type {} cannot be written as JSON", type_name(value));
    }
  }

 private:
  void charge() {
    rt_.reserve(out_.size() - charged_);
    if (!rt_.meter().fits(out_.size())) rt_.reserve(out_.size());
    charged_ = out_.size();
  }
  void real(double value) {
    if (std::isfinite(value)) {
      out_ += real_text(value);
    } else {
      out_ += std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    }
  }
  void string(const std::string& text) {
    out_ += '"';
    for (const char32_t c : to_code_points(text)) character(c);
    out_ += '"';
  }
  void character(char32_t c) {
    static constexpr std::u32string_view kEscaped = U"\"\\\b\f\n\r\t";
    static constexpr std::string_view kNames = "\"\\bfnrt";
    if (const size_t i = kEscaped.find(c); i != std::u32string_view::npos) {
      out_ += '\\';
      out_ += kNames[i];
    } else if (c < 0x20 || (style_.ensure_ascii && c >= 0x7F && c < 0x10000 && c != 0x7F)) {
      out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else if (style_.ensure_ascii && c >= 0x10000) {
      const auto rest = static_cast<unsigned>(c) - 0x10000;
      out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    } else {
      append_utf8(out_, c);
    }
  }
  void new_line() {
    if (!style_.indent) return;
    out_ += '\n';
    for (int i = 0; i < level_; ++i) out_ += *style_.indent;
    charge();
  }
  void list(const Items& items) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line();
      write(items[i]);
    }
    --level_;
    new_line();
    out_ += ']';
  }
  std::string key_text(const Value& key) const {
    if (key.is_string()) return key.string();
    if (key.is_none()) return "null";
    if (key.is_bool()) return key.boolean() ? "true" : "false";
    if (key.is_int()) return int_text(key.integer());
    if (key.is_float()) return real_text(key.number());
    rt_.fail("a key of type {} cannot be written as JSON", type_name(key));
  }
  void dict(const Dict& dict) {
    if (dict.items.empty()) {
      out_ += "{}";
      return;
    }
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.items) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return less(rt_, a->first, b->first); });
    }
    out_ += '{';
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line();
      string(key_text(entries[i]->first));
      out_ += style_.key_separator;
      write(entries[i]->second);
    }
    --level_;
    new_line();
    out_ += '}';
  }

  Runtime& rt_;
  const JsonStyle& style_;
  std::string out_;
  size_t charged_ = 0;
  int level_ = 0;
};

}  // namespace

std::string to_json(Runtime& rt, const Value& value, const JsonStyle& style) {
  JsonWriter writer(rt, style);
  writer.write(value);
  return writer.take();
}

}  // namespace tandem::jinja
