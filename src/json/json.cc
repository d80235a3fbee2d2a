#include "json/json.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "base/check.h"

namespace tandem {
namespace {

using Parser = nlohmann::json;

/// The first key that stands there for the second time, or nullptr.
const std::string* repeated_key(const Json::Object& object) {
  constexpr size_t kFew = 12;
  if (object.size() <= kFew) {
    for (size_t i = 1; i < object.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (object[i].first == object[j].first) return &object[i].first;
      }
    }
    return nullptr;
  }
  // A flat table of indices: a vocabulary has 150,000 keys, and a node for each would cost more
  // than reading them did.
  const size_t mask = std::bit_ceil(object.size() * 2) - 1;
  std::vector<uint32_t> slots(mask + 1);  // index + 1; 0: free
  for (size_t i = 0; i < object.size(); ++i) {
    size_t at = std::hash<std::string_view>()(object[i].first) & mask;
    for (; slots[at] != 0; at = (at + 1) & mask) {
      if (object[slots[at] - 1].first == object[i].first) return &object[i].first;
    }
    slots[at] = static_cast<uint32_t>(i + 1);
  }
  return nullptr;
}

/// Builds a Json from the library's events, so that limits apply before anything is allocated for a
/// value.
class Builder : public nlohmann::json_sax<Parser> {
 public:
  Builder(const std::string& name, const JsonLimits& limits) : name_(name), limits_(limits) {}

  bool null() override { return put(Json()); }
  bool boolean(bool value) override { return put(Json(value)); }
  bool number_integer(number_integer_t value) override {
    return put(Json(static_cast<int64_t>(value)));
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return put(Json(static_cast<int64_t>(value)));
    }
    return put(Json(Json::BigInteger{std::to_string(value), static_cast<double>(value)}));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    if (!std::isfinite(value)) bad_input("{}: {}: number {} is out of range", name_, path(), text);
    const bool whole = text.find_first_of(".eE") == string_t::npos;
    return put(whole ? Json(Json::BigInteger{text, value}) : Json(value));
  }
  bool string(string_t& value) override { return put(Json(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json(Json::Object{})); }
  bool start_array(std::size_t) override { return open(Json(Json::Array{})); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    pending_.back() = std::move(value);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    std::string what = e.what();
    if (const size_t end = what.find("] "); end != std::string::npos) what = what.substr(end + 2);
    bad_input("{}: not valid JSON: {}", name_, what);
  }

  Json take() { return std::move(root_); }

 private:
  bool put(Json value) {
    if (++count_ > limits_.max_values) {
      bad_input("{}: more than {} JSON values", name_, limits_.max_values);
    }
    if (open_.empty()) {
      root_ = std::move(value);
    } else {
      append(std::move(value));
    }
    return true;
  }
  void append(Json value) {
    Json& parent = open_.back();
    if (parent.is_array()) {
      parent.array().push_back(std::move(value));
    } else {
      parent.object().emplace_back(std::move(pending_.back()), std::move(value));
    }
  }
  bool open(Json value) {
    if (static_cast<int>(open_.size()) >= limits_.max_depth) {
      bad_input("{}: nested deeper than {} levels", name_, limits_.max_depth);
    }
    if (++count_ > limits_.max_values) {
      bad_input("{}: more than {} JSON values", name_, limits_.max_values);
    }
    open_.push_back(std::move(value));
    pending_.emplace_back();
    return true;
  }
  bool close() {
    Json value = std::move(open_.back());
    open_.pop_back();
    pending_.pop_back();
    if (value.is_object()) refuse_repeated_key(value.object());
    if (open_.empty()) {
      root_ = std::move(value);
    } else {
      append(std::move(value));
    }
    return true;
  }
  void refuse_repeated_key(const Json::Object& object) const {
    if (const std::string* key = repeated_key(object)) {
      bad_input("{}: {}: key \"{}\" occurs twice; each key may occur once", name_, path(), *key);
    }
  }
  std::string path() const {
    std::string text;
    for (const std::string& key : pending_) {
      if (!key.empty()) text += (text.empty() ? "" : ".") + key;
    }
    return text.empty() ? "top level" : text;
  }

  const std::string& name_;
  const JsonLimits& limits_;
  Json root_;
  std::vector<Json> open_;
  std::vector<std::string> pending_;  // the key whose value comes next, per open container
  size_t count_ = 0;
};

nlohmann::ordered_json to_library(const Json& value) {
  if (value.is_null()) return nullptr;
  if (value.is_bool()) return value.boolean();
  if (value.is_int()) return value.integer();
  if (const std::string* digits = value.big_integer()) {
    uint64_t whole = 0;
    const auto end = digits->data() + digits->size();
    if (std::from_chars(digits->data(), end, whole).ptr == end) return whole;
  }
  if (value.is_number()) {
    if (!std::isfinite(value.number()))
      fail(ErrorCode::kInternal, "a number that is not finite cannot be written as JSON");
    return value.number();
  }
  if (value.is_string()) return value.string();
  if (value.is_array()) {
    auto list = nlohmann::ordered_json::array();
    for (const Json& item : value.array()) list.push_back(to_library(item));
    return list;
  }
  auto object = nlohmann::ordered_json::object();
  for (const auto& [key, item] : value.object()) object.push_back({key, to_library(item)});
  return object;
}

/// U+0085, U+2028 and U+2029 end a line for some readers; escaped, a value stays on its line. In
/// JSON text they occur inside strings only.
std::string escape_line_ends(std::string text) {
  const std::pair<std::string_view, std::string_view> ends[] = {
      {"\xc2\x85", "\\u0085"}, {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"}};
  for (const auto& [end, escape] : ends) {
    if (text.find(end) == std::string::npos) continue;
    std::string out;
    size_t done = 0;
    for (size_t at = 0; (at = text.find(end, done)) != std::string::npos; done = at + end.size())
      out.append(text, done, at - done).append(escape);
    text = out.append(text, done);
  }
  return text;
}

}  // namespace

Json Json::parse(std::string_view text, const std::string& name, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    bad_input("{}: {} bytes of JSON; at most {} are read", name, text.size(), limits.max_bytes);
  }
  Builder builder(name, limits);
  if (!Parser::sax_parse(text, &builder)) bad_input("{}: not valid JSON", name);
  return builder.take();
}

Json Json::parse_file(const std::string& path, const JsonLimits& limits) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) bad_input("{}: cannot be read", path);
  const auto size = static_cast<std::streamoff>(file.tellg());
  if (size < 0 || static_cast<uint64_t>(size) > limits.max_bytes) {
    bad_input("{}: is no regular JSON file of at most {} bytes", path, limits.max_bytes);
  }
  std::string text(static_cast<size_t>(size), '\0');
  file.seekg(0);
  file.read(text.data(), size);
  if (file.gcount() != size) bad_input("{}: cannot be read to its end", path);
  return parse(text, path, limits);
}

const Json* Json::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const auto& [name, value] : object()) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Json::set(std::string_view key, Json value) {
  for (auto& [name, old] : object()) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  object().emplace_back(std::string(key), std::move(value));
}

std::string_view Json::kind() const {
  if (is_null()) return "null";
  if (is_bool()) return "a boolean";
  if (is_int()) return "an integer";
  if (is_number()) return "a number";
  if (is_string()) return "a string";
  return is_array() ? "an array" : "an object";
}

std::string Json::dump(int indent) const {
  try {
    return escape_line_ends(
        to_library(*this).dump(indent, ' ', false, nlohmann::json::error_handler_t::strict));
  } catch (const nlohmann::json::type_error&) {  // what a user typed, or the name of a file
    bad_input("text that is not valid UTF-8 cannot be written as JSON");
  }
}

JsonReader::JsonReader(const Json& value, std::string name, std::string path)
    : value_(value), name_(std::move(name)), path_(std::move(path)) {
  if (!value_.is_object()) {
    bad_input("{}{}{}: {} where an object is expected", name_, path_.empty() ? "" : ": ", path_,
              value_.kind());
  }
}

std::string JsonReader::where(std::string_view key) const {
  return fmt::format("{}: {}{}{}", name_, path_, path_.empty() ? "" : ".", key);
}

bool JsonReader::is_null(std::string_view key) const {
  const Json* value = value_.find(key);
  return value != nullptr && value->is_null();
}

bool JsonReader::has(std::string_view key) const {
  const Json* value = value_.find(key);
  return value != nullptr && !value->is_null();
}

const Json& JsonReader::get(std::string_view key) const {
  const Json* value = value_.find(key);
  if (value == nullptr) bad_input("{} is missing", where(key));
  return *value;
}

int64_t JsonReader::integer(std::string_view key, int64_t min, int64_t max) const {
  const Json& value = get(key);
  int64_t result = 0;
  if (value.is_int()) {
    result = value.integer();
  } else if (value.is_number() && value.number() == std::floor(value.number()) &&
             std::abs(value.number()) < 9e15) {
    result = static_cast<int64_t>(value.number());
  } else {
    bad_input("{} is {} ({}); an integer is expected", where(key), value.kind(),
              value.dump().substr(0, 60));
  }
  if (result < min || result > max)
    bad_input("{} is {}; expected {} to {}", where(key), result, min, max);
  return result;
}

int64_t JsonReader::integer_or(std::string_view key, int64_t fallback, int64_t min,
                               int64_t max) const {
  return has(key) ? integer(key, min, max) : fallback;
}

double JsonReader::number(std::string_view key, double min, double max) const {
  const Json& value = get(key);
  if (!value.is_number()) {
    bad_input("{} is {} ({}); a number is expected", where(key), value.kind(),
              value.dump().substr(0, 60));
  }
  const double result = value.number();
  if (!(result >= min && result <= max))
    bad_input("{} is {}; expected {} to {}", where(key), result, min, max);
  return result;
}

double JsonReader::number_or(std::string_view key, double fallback, double min, double max) const {
  return has(key) ? number(key, min, max) : fallback;
}

bool JsonReader::boolean_or(std::string_view key, bool fallback) const {
  if (!has(key)) return fallback;
  const Json& value = get(key);
  if (!value.is_bool()) bad_input("{} is {}; true or false is expected", where(key), value.kind());
  return value.boolean();
}

const std::string& JsonReader::string(std::string_view key) const {
  const Json& value = get(key);
  if (!value.is_string()) bad_input("{} is {}; a string is expected", where(key), value.kind());
  return value.string();
}

std::string JsonReader::string_or(std::string_view key, std::string_view fallback) const {
  return has(key) ? string(key) : std::string(fallback);
}

JsonReader JsonReader::object(std::string_view key) const {
  return JsonReader(get(key), name_,
                    path_.empty() ? std::string(key) : path_ + "." + std::string(key));
}

const Json::Array& JsonReader::array(std::string_view key) const {
  const Json& value = get(key);
  if (!value.is_array()) bad_input("{} is {}; an array is expected", where(key), value.kind());
  return value.array();
}

}  // namespace tandem
