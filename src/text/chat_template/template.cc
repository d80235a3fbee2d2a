#include "text/chat_template/template.h"

#include <utf8proc.h>

#include <array>

#include "base/check.h"
#include "json/json.h"
#include "text/chat_template/input.h"
#include "text/chat_template/interpreter.h"
#include "text/chat_template/parser.h"

namespace tandem::jinja {
namespace {

void check_utf8(std::string_view text, const std::string& name) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t c = 0;
    const auto n = utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &c);
    if (n <= 0) bad_input("{}: byte {} of the template is not UTF-8", name, i);
    i += static_cast<size_t>(n);
  }
}

Value optional_array(Runtime& rt, const std::string& text, const std::string& name) {
  if (text.empty()) return Value();
  const Json json = Json::parse(text, name);
  if (!json.is_array() && !json.is_null()) {
    bad_input("{}: {} where an array is expected", name, json.kind());
  }
  return from_json(rt, json);
}

void set_variables(Runtime& rt, Scope& scope, const std::string& text) {
  if (text.empty()) return;
  const Json json = Json::parse(text, "variables");
  if (!json.is_object()) bad_input("variables: {} where an object is expected", json.kind());
  static constexpr std::array<std::string_view, 4> kOwn = {"messages", "tools", "documents",
                                                           "add_generation_prompt"};
  for (const auto& [key, value] : json.object()) {
    for (const std::string_view own : kOwn) {
      if (key == own) bad_input("variables: '{}' is given by its own option, not here", key);
    }
    scope.set(key, from_json(rt, value));
  }
}

}  // namespace

Template::Template(std::string_view source, std::string name, const Limits& limits)
    : name_(std::move(name)), limits_(limits) {
  check_utf8(source, name_);
  Runtime rt(name_, limits_);
  block_ = parse_template(source, rt);
}

std::string Template::render(
    const ChatTemplate::Input& input,
    const std::vector<std::pair<std::string, std::string>>& variables) const {
  Runtime rt(name_, limits_);
  rt.now = input.now;
  auto scope = std::make_shared<Scope>();
  for (auto& [name, value] : make_globals(rt)) scope->set(name, std::move(value));
  for (const auto& [name, text] : variables) scope->set(name, make_text(rt, text));
  set_variables(rt, *scope, input.variables_json);
  scope->set("messages",
             from_messages(rt, Json::parse(input.messages_json, "messages"), input.drop_null_keys));
  scope->set("tools", optional_array(rt, input.tools_json, "tools"));
  scope->set("documents", optional_array(rt, input.documents_json, "documents"));
  scope->set("add_generation_prompt", Value(input.add_generation_prompt));
  return Interpreter(rt, std::move(scope)).render(block_);
}

}  // namespace tandem::jinja
