#include "text/chat_template/interpreter.h"

#include "text/chat_template/interpreter_guards.h"
#include "text/chat_template/print.h"

namespace tandem::jinja {

void Scope::clear() noexcept {
  const auto dropped = std::move(variables);
  variables.clear();
}

void Scope::set(std::string_view name, Value value) {
  for (auto& [key, old] : variables) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(std::string(name), std::move(value));
}

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
    for (const auto& [key, value] : scope->variables) {
      if (key == name) return &value;
    }
  }
  return nullptr;
}

std::string Interpreter::render(const Block& block) {
  std::string out;
  {
    const OutputGuard output(*this, out);
    run(block);
  }
  return out;
}

void Interpreter::emit(std::string_view text) {
  rt_.step(static_cast<int64_t>(text.size() / 64));
  pending_ += text.size();
  if (pending_ > rt_.limits().output) {
    pending_ -= text.size();
    rt_.fail("the result takes more than {} bytes", rt_.limits().output);
  }
  out_->append(text);
}

Interpreter::Flow Interpreter::run(const Block& block) {
  for (const auto& statement : block) {
    const Flow flow = run(*statement);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::run(const Statement& statement) {
  const DepthGuard depth(*this, statement.line);
  Flow flow = Flow::kNormal;
  switch (statement.kind) {
    case StatementKind::kText:
      emit(statement.text);
      break;
    case StatementKind::kPrint:
      emit(str(rt_, eval(*statement.value)));
      break;
    case StatementKind::kIf:
      return run_if(statement);
    case StatementKind::kFor:
      run_for(statement);
      break;
    case StatementKind::kSet:
      assign(*statement.target, eval(*statement.value));
      break;
    case StatementKind::kCapture:
      run_capture(statement, flow);
      return flow;
    case StatementKind::kWith:
    case StatementKind::kScope:
      return run_with(statement);
    case StatementKind::kMacro:
      scope_->set(statement.text, make_macro(statement));
      break;
    case StatementKind::kCall:
      run_call(statement);
      break;
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return flow;
}

Interpreter::Flow Interpreter::run_if(const Statement& statement) {
  for (const auto& [test, block] : statement.branches) {
    if (truth(eval(*test))) return run(block);
  }
  return run(statement.otherwise);
}

Interpreter::Flow Interpreter::run_with(const Statement& statement) {
  // All values are of the outer scope.
  Items values;
  for (const auto& [target, value] : statement.assignments) values.push_back(eval(*value));
  const ScopeGuard guard(*this, scope_);
  for (size_t i = 0; i < values.size(); ++i) {
    assign(*statement.assignments[i].first, std::move(values[i]));
  }
  return run(statement.body);
}

std::string Interpreter::capture(const Block& block, Flow& flow) {
  std::string text;
  const OutputGuard output(*this, text);
  flow = run(block);
  return text;
}

void Interpreter::run_capture(const Statement& statement, Flow& flow) {
  Value text;
  {
    const ScopeGuard guard(*this, scope_);
    text = make_text(rt_, capture(statement.body, flow));
  }
  if (statement.filter != nullptr) {
    const Value* const outer = std::exchange(filter_input_, &text);
    Value filtered = eval(*statement.filter);
    filter_input_ = outer;
    text = std::move(filtered);
  }
  if (statement.target == nullptr) {
    emit(str(rt_, text));
  } else {
    assign(*statement.target, std::move(text));
  }
}

void Interpreter::assign(const Expr& target, Value value) {
  rt_.step();
  if (target.kind == ExprKind::kName) {
    rt_.step(static_cast<int64_t>(scope_->variables.size() / 16));
    scope_->set(target.text, std::move(value));
    return;
  }
  if (target.kind == ExprKind::kAttribute) {
    const Value object = eval(*target.children[0]);
    if (!object.is_namespace()) {
      rt_.fail("'{}' is no namespace: only a namespace's attributes can be set",
               target.children[0]->text);
    }
    if (target.text.starts_with('_')) {
      rt_.fail("'{}': a namespace takes no name that begins with '_'", target.text);
    }
    auto& items = object.ns().items;
    for (auto& [name, old] : items) {
      if (name != target.text) continue;
      // The old value may be the last holder of others: it goes after the new one is in place.
      const Value dropped = std::exchange(old, std::move(value));
      return;
    }
    items.emplace_back(target.text, std::move(value));
    return;
  }
  Items parts = iterate(rt_, value);
  if (parts.size() != target.children.size()) {
    rt_.fail("{} values for {} names", parts.size(), target.children.size());
  }
  for (size_t i = 0; i < parts.size(); ++i) assign(*target.children[i], std::move(parts[i]));
}

void Interpreter::own_scopes() {
  for (auto scope = scope_; scope != nullptr && !scope->owned; scope = scope->parent) {
    scope->owned = true;
    rt_.own(scope);
  }
}

}  // namespace tandem::jinja
