// Values of the template language: Python's None, bool, int, float, str, list, tuple, dict, and
// what Jinja adds (undefined, namespace, callables, loop). Lists and dictionaries never change.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "text/chat_template/runtime.h"

namespace tandem::jinja {

__extension__ typedef __int128 Int;  // JSON integers beyond 64 bits keep their value

class Value;
struct Arguments;

struct None {};
struct Undefined {
  std::shared_ptr<const std::string> why;  ///< "'x' is undefined": what an error will say
};

enum class TextKind { kPlain, kMarkup, kBytes };
struct Text {
  std::string text;  ///< valid UTF-8 unless kBytes
  TextKind kind = TextKind::kPlain;
  Charge charge;
};

enum class SequenceKind { kList, kTuple, kRange, kGenerator, kView };
struct Sequence {
  std::vector<Value> items;
  SequenceKind kind = SequenceKind::kList;
  int depth = 1;               ///< 1 + the deepest item's
  std::string name;            ///< "range(0, 3)", "dict_keys": how ranges and views print
  bool group = false;          ///< a pair of groupby: has .grouper and .list
  mutable bool spent = false;  ///< a generator gives its items once
  Charge charge;
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;  ///< in order of insertion, keys distinct
  int depth = 1;
  Charge charge;
};

struct Namespace : Mutable {
  std::vector<std::pair<std::string, Value>> items;
  void clear() noexcept override;
  const Value* find(std::string_view key) const;
};

/// A function, bound method or macro.
struct Callable {
  std::string name;
  std::function<Value(Arguments&)> call;
  int depth = 1;
};

struct LoopState;

class Value {
 public:
  Value() = default;  // None
  explicit Value(Undefined v) : v_(std::move(v)) {}
  explicit Value(bool v) : v_(v) {}
  explicit Value(Int v) : v_(v) {}
  explicit Value(double v) : v_(v) {}
  explicit Value(std::shared_ptr<const Text> v) : v_(std::move(v)) {}
  explicit Value(std::shared_ptr<const Sequence> v) : v_(std::move(v)) {}
  explicit Value(std::shared_ptr<const Dict> v) : v_(std::move(v)) {}
  explicit Value(std::shared_ptr<Namespace> v) : v_(std::move(v)) {}
  explicit Value(std::shared_ptr<const Callable> v) : v_(std::move(v)) {}
  explicit Value(std::shared_ptr<LoopState> v) : v_(std::move(v)) {}

  bool is_none() const { return holds<None>(); }
  bool is_undefined() const { return holds<Undefined>(); }
  bool is_bool() const { return holds<bool>(); }
  bool is_int() const { return holds<Int>(); }
  bool is_float() const { return holds<double>(); }
  bool is_number() const { return is_bool() || is_int() || is_float(); }
  bool is_text() const { return holds<std::shared_ptr<const Text>>(); }
  bool is_string() const { return is_text() && text().kind != TextKind::kBytes; }
  bool is_markup() const { return is_text() && text().kind == TextKind::kMarkup; }
  bool is_sequence() const { return holds<std::shared_ptr<const Sequence>>(); }
  bool is_dict() const { return holds<std::shared_ptr<const Dict>>(); }
  bool is_namespace() const { return holds<std::shared_ptr<Namespace>>(); }
  bool is_callable() const { return holds<std::shared_ptr<const Callable>>(); }
  bool is_loop() const { return holds<std::shared_ptr<LoopState>>(); }
  bool is_sequence(SequenceKind kind) const { return is_sequence() && sequence().kind == kind; }

  // Unchecked, as Json's: the caller has asked before.
  const Undefined& undefined() const { return std::get<Undefined>(v_); }
  bool boolean() const { return std::get<bool>(v_); }
  Int integer() const { return is_bool() ? Int{boolean()} : std::get<Int>(v_); }
  double number() const {
    return is_float() ? std::get<double>(v_) : static_cast<double>(integer());
  }
  const Text& text() const { return *std::get<std::shared_ptr<const Text>>(v_); }
  const std::string& string() const { return text().text; }
  const Sequence& sequence() const { return *std::get<std::shared_ptr<const Sequence>>(v_); }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(v_); }
  Namespace& ns() const { return *std::get<std::shared_ptr<Namespace>>(v_); }
  const Callable& callable() const { return *std::get<std::shared_ptr<const Callable>>(v_); }
  const std::shared_ptr<LoopState>& shared_loop() const {
    return std::get<std::shared_ptr<LoopState>>(v_);
  }
  LoopState& loop() const { return *std::get<std::shared_ptr<LoopState>>(v_); }

  bool is_integral() const { return is_int() || is_bool(); }
  int depth() const;  ///< 0 for what holds no other value
  /// The same object in memory (Python's `is`), or equal scalars.
  bool same(const Value& other) const;

 private:
  template <typename T>
  bool holds() const {
    return std::holds_alternative<T>(v_);
  }
  std::variant<None, Undefined, bool, Int, double, std::shared_ptr<const Text>,
               std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>,
               std::shared_ptr<Namespace>, std::shared_ptr<const Callable>,
               std::shared_ptr<LoopState>>
      v_;
};

/// The `loop` variable of one running for statement.
struct LoopState : Mutable {
  Value items;  ///< a sequence
  size_t index = 0;
  int level = 1;  ///< of a recursive loop
  int depth = 1;
  Value last_seen;  ///< of loop.changed
  bool seen = false;
  bool owned = false;                          ///< the runtime knows it: it may be part of a cycle
  std::function<Value(const Value&)> recurse;  ///< empty unless the loop is recursive
  void clear() noexcept override;
};

using Items = std::vector<Value>;
using Entries = std::vector<std::pair<Value, Value>>;

// Every value that needs memory is made here, and charged to the runtime's meter.
Value make_text(Runtime& rt, std::string text, TextKind kind = TextKind::kPlain);
Value make_sequence(Runtime& rt, Items items, SequenceKind kind = SequenceKind::kList,
                    std::string name = "");
inline Value make_tuple(Runtime& rt, Items items) {
  return make_sequence(rt, std::move(items), SequenceKind::kTuple);
}
inline Value make_generator(Runtime& rt, Items items) {
  return make_sequence(rt, std::move(items), SequenceKind::kGenerator);
}
/// Keys must be distinct.
Value make_dict(Runtime& rt, Entries items);
Value make_callable(Runtime& rt, std::string name, std::function<Value(Arguments&)> call,
                    int depth = 1);
Value make_undefined(std::string why);

bool truth(const Value& value);
/// Python's name of the type: "str", "NoneType"; for messages.
std::string_view type_name(const Value& value);
/// Throws, with the reason, when the value is undefined.
void require_defined(const Runtime& rt, const Value& value);

/// Python's ==. Counts steps: nested values may share parts.
bool equal(Runtime& rt, const Value& a, const Value& b);
/// Python's <. Throws on types that have no order between them.
bool less(Runtime& rt, const Value& a, const Value& b);
/// Python's `item in container`.
bool contains(Runtime& rt, const Value& container, const Value& item);
/// The value of a key, or nullptr.
const Value* find(Runtime& rt, const Dict& dict, const Value& key);
const Value* find(Runtime& rt, const Dict& dict, std::string_view key);
/// Adds or replaces; the key must be hashable (a scalar or a tuple of such).
void put(Runtime& rt, Entries& entries, Value key, Value value);

/// What a for loop over the value visits. Throws on what is not iterable.
Items iterate(Runtime& rt, const Value& value);
bool is_iterable(const Value& value);
/// Python's len().
int64_t length(Runtime& rt, const Value& value);

}  // namespace tandem::jinja
