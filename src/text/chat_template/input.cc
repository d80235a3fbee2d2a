#include "text/chat_template/input.h"

#include <array>

#include "text/chat_template/literal.h"

namespace tandem::jinja {
namespace {

Int exact_integer(const Runtime& rt, const std::string& digits) {
  const bool negative = digits.starts_with('-');
  const Int value = parse_integer(digits.substr(negative ? 1 : 0), rt);
  return negative ? -value : value;
}

/// The standard name first in the message where `thinking` was absent, so that every template finds
/// the reasoning under the name that it reads.
void alias_reasoning(Json& message) {
  static constexpr std::array<std::string_view, 3> kNames = {"reasoning_content", "thinking",
                                                             "reasoning"};
  for (const std::string_view name : kNames) {
    const Json* found = message.find(name);
    if (found == nullptr || found->is_null()) continue;
    const Json reasoning = *found;
    if (message.find("thinking") == nullptr) {
      message.object().insert(message.object().begin(), {"thinking", reasoning});
    }
    message.set("reasoning_content", reasoning);
    return;
  }
}

}  // namespace

Value from_json(Runtime& rt, const Json& json) {
  if (json.is_null()) return Value();
  if (json.is_bool()) return Value(json.boolean());
  if (json.is_int()) return Value(Int{json.integer()});
  if (const std::string* digits = json.big_integer()) return Value(exact_integer(rt, *digits));
  if (json.is_number()) return Value(json.number());
  if (json.is_string()) return make_text(rt, json.string());
  if (json.is_array()) {
    Items items;
    for (const Json& item : json.array()) items.push_back(from_json(rt, item));
    return make_sequence(rt, std::move(items));
  }
  Entries entries;
  for (const auto& [key, item] : json.object()) {
    entries.emplace_back(make_text(rt, key), from_json(rt, item));
  }
  return make_dict(rt, std::move(entries));
}

Value from_messages(Runtime& rt, Json messages, bool drop_null_keys) {
  if (!messages.is_array()) {
    bad_input("messages: {} where an array of messages is expected", messages.kind());
  }
  for (Json& message : messages.array()) {
    if (!message.is_object()) {
      bad_input("messages: {} among the messages; each one is an object", message.kind());
    }
    if (drop_null_keys) {
      std::erase_if(message.object(), [](const auto& member) { return member.second.is_null(); });
    }
    alias_reasoning(message);
  }
  return from_json(rt, messages);
}

}  // namespace tandem::jinja
