// for, macro, call.
#include "text/chat_template/interpreter.h"
#include "text/chat_template/interpreter_guards.h"

namespace tandem::jinja {

void Interpreter::run_for(const Statement& statement) {
  loop(statement, eval(*statement.value), 1);
}

Items Interpreter::loop_items(const Statement& statement, const Value& iterable) {
  Items items = iterate(rt_, iterable);
  if (statement.condition == nullptr) return items;
  Items kept;
  for (Value& item : items) {
    const ScopeGuard guard(*this, scope_);
    assign(*statement.target, item);
    if (truth(eval(*statement.condition))) kept.push_back(std::move(item));
  }
  return kept;
}

void Interpreter::loop(const Statement& statement, const Value& iterable, int level) {
  const DepthGuard depth(*this, statement.line);
  auto state = std::make_shared<LoopState>();
  state->items = make_sequence(rt_, loop_items(statement, iterable));
  state->level = level;
  state->depth = state->items.depth() + 1;
  if (statement.recursive) {
    own_scopes();
    state->owned = true;
    rt_.own(state);
    state->recurse = [this, &statement, level, home = scope_](const Value& items) {
      std::string text;
      {
        const ScopeGuard guard(*this, home);
        const OutputGuard output(*this, text);
        loop(statement, items, level + 1);
      }
      return make_text(rt_, std::move(text));
    };
  }
  const Value loop_variable(state);
  const Items& items = state->items.sequence().items;
  for (size_t i = 0; i < items.size(); ++i) {
    const ScopeGuard guard(*this, scope_);
    state->index = i;
    scope_->set("loop", loop_variable);
    assign(*statement.target, items[i]);
    if (run(statement.body) == Flow::kBreak) break;
  }
  if (items.empty()) {
    const ScopeGuard guard(*this, scope_);
    run(statement.otherwise);
  }
}

Value Interpreter::make_macro(const Statement& statement) {
  own_scopes();
  return make_callable(rt_, statement.text,
                       [this, &statement, home = scope_](Arguments& arguments) {
                         return call_macro(statement, home, arguments);
                       });
}

Value Interpreter::call_macro(const Statement& macro, const std::shared_ptr<Scope>& home,
                              Arguments& arguments) {
  const int line = rt_.line;
  const DepthGuard depth(*this, line);
  const ScopeGuard guard(*this, home);
  bind_parameters(macro, arguments);
  Flow flow = Flow::kNormal;
  Value result = make_text(rt_, capture(macro.body, flow));
  rt_.line = line;
  return result;
}

void Interpreter::bind_parameters(const Statement& macro, Arguments& arguments) {
  const size_t count = macro.parameters.size();
  auto& positional = arguments.positional;
  if (positional.size() > count && !macro.takes_varargs) {
    rt_.fail("macro '{}' takes not more than {} arguments, not {}", macro.text, count,
             positional.size());
  }
  Entries rest;
  std::vector<std::optional<Value>> values(count);
  for (size_t i = 0; i < std::min(count, positional.size()); ++i) values[i] = positional[i];
  for (auto& [name, value] : arguments.named) {
    size_t i = 0;
    while (i < count && macro.parameters[i].name != name) ++i;
    if (i < count) {
      if (values[i].has_value()) rt_.fail("macro '{}' is given '{}' twice", macro.text, name);
      values[i] = std::move(value);
    } else if (name == "caller" && macro.takes_caller) {
      scope_->set("caller", std::move(value));
    } else if (macro.takes_kwargs) {
      put(rt_, rest, make_text(rt_, name), std::move(value));
    } else {
      rt_.fail("macro '{}' takes no argument '{}'", macro.text, name);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const Parameter& parameter = macro.parameters[i];
    if (!values[i].has_value()) {
      values[i] = parameter.fallback != nullptr
                      ? eval(*parameter.fallback)
                      : make_undefined("parameter '" + parameter.name + "' was not provided");
    }
    scope_->set(parameter.name, *std::move(values[i]));
  }
  if (macro.takes_varargs) {
    const auto used = static_cast<ptrdiff_t>(std::min(count, positional.size()));
    scope_->set("varargs", make_tuple(rt_, Items(positional.begin() + used, positional.end())));
  }
  if (macro.takes_kwargs) scope_->set("kwargs", make_dict(rt_, std::move(rest)));
}

void Interpreter::run_call(const Statement& statement) {
  const Expr& called = *statement.value;
  const Value function = eval(*called.children[0]);
  Arguments arguments = eval_arguments(called.arguments);
  arguments.named.emplace_back("caller", make_macro(statement));
  const Value result = call(rt_, function, arguments);
  emit(result.is_string() ? result.string() : std::string());
}

}  // namespace tandem::jinja
