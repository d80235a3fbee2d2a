// JSON values for untrusted files: limits on depth and size, duplicate keys refused, errors with
// the key's path.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tandem {

struct JsonLimits {
  size_t max_bytes = size_t{256} << 20;
  int max_depth = 64;
  size_t max_values = size_t{40} << 20;
};

/// One JSON value. Objects keep the order of their keys. Integers that fit are int64, larger ones
/// are a double that remembers its digits, all other numbers double.
class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;
  struct Null {
    bool operator==(const Null&) const = default;
  };

  /// A number of this many digits, as written; for integers beyond int64.
  struct BigInteger {
    std::string digits;
    double value = 0;
    bool operator==(const BigInteger&) const = default;
  };

  Json() = default;
  Json(bool value) : value_(value) {}                       // NOLINT(google-explicit-constructor)
  Json(int64_t value) : value_(value) {}                    // NOLINT(google-explicit-constructor)
  Json(int value) : value_(static_cast<int64_t>(value)) {}  // NOLINT(google-explicit-constructor)
  Json(double value) : value_(value) {}                     // NOLINT(google-explicit-constructor)
  explicit Json(BigInteger value) : value_(std::move(value)) {}
  Json(std::string value) : value_(std::move(value)) {}    // NOLINT(google-explicit-constructor)
  Json(const char* value) : value_(std::string(value)) {}  // NOLINT(google-explicit-constructor)
  Json(Array value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Json(Object value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)

  /// Parses one document. `name` (a file's name) begins every message. Throws Error(kBadInput) with
  /// line and column, or the path of a duplicate key. The text must be valid UTF-8.
  static Json parse(std::string_view text, const std::string& name, const JsonLimits& limits = {});
  static Json parse_file(const std::string& path, const JsonLimits& limits = {});

  bool is_null() const { return std::holds_alternative<Null>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<int64_t>(value_); }
  bool is_number() const {
    return is_int() || std::holds_alternative<double>(value_) || big_integer() != nullptr;
  }
  /// The digits (and sign) of an integer beyond int64, else nullptr.
  const std::string* big_integer() const {
    const auto* big = std::get_if<BigInteger>(&value_);
    return big == nullptr ? nullptr : &big->digits;
  }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Unchecked access: the caller has asked is_...() before (std::bad_variant_access otherwise).
  bool boolean() const { return std::get<bool>(value_); }
  int64_t integer() const { return std::get<int64_t>(value_); }
  double number() const {
    if (const auto* big = std::get_if<BigInteger>(&value_)) return big->value;
    return is_int() ? static_cast<double>(integer()) : std::get<double>(value_);
  }
  const std::string& string() const { return std::get<std::string>(value_); }
  const Array& array() const { return std::get<Array>(value_); }
  Array& array() { return std::get<Array>(value_); }
  const Object& object() const { return std::get<Object>(value_); }
  Object& object() { return std::get<Object>(value_); }

  /// Member of an object, or nullptr (also when this is not an object).
  const Json* find(std::string_view key) const;
  /// Adds or replaces a member of an object.
  void set(std::string_view key, Json value);

  /// "null", "a number", "a string" ... for messages.
  std::string_view kind() const;
  /// Compact (indent < 0) or indented text; doubles round-trip; not finite numbers throw
  /// Error(kInternal), text that is not UTF-8 Error(kBadInput).
  std::string dump(int indent = -1) const;
  bool operator==(const Json&) const = default;

 private:
  std::variant<Null, bool, int64_t, double, std::string, Array, Object, BigInteger> value_ = Null{};
};

/// Typed access to a JSON object that says file, key, what was found and what was expected.
class JsonReader {
 public:
  /// `name`: the file's name; `path`: where in it (empty at the top). The value must be an object;
  /// it is not copied and must outlive this.
  JsonReader(const Json& value, std::string name, std::string path = "");

  bool has(std::string_view key) const;      ///< present and not null
  bool is_null(std::string_view key) const;  ///< present and null
  const Json& get(std::string_view key) const;

  int64_t integer(std::string_view key, int64_t min, int64_t max) const;
  int64_t integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max) const;
  /// Finite numbers only, min <= value <= max.
  double number(std::string_view key, double min, double max) const;
  double number_or(std::string_view key, double fallback, double min, double max) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  const std::string& string(std::string_view key) const;
  std::string string_or(std::string_view key, std::string_view fallback) const;
  JsonReader object(std::string_view key) const;
  const Json::Array& array(std::string_view key) const;

  /// "config.json: rope_scaling.factor": for the caller's own messages.
  std::string where(std::string_view key) const;

 private:
  const Json& value_;
  std::string name_;
  std::string path_;
};

}  // namespace tandem
