// Expressions.
#include "text/chat_template/interpreter.h"
#include "text/chat_template/interpreter_guards.h"

namespace tandem::jinja {

Value Interpreter::eval(const Expr& expr) {
  const DepthGuard depth(*this, expr.line);
  switch (expr.kind) {
    case ExprKind::kInteger:
    case ExprKind::kReal:
    case ExprKind::kString:
    case ExprKind::kConstant:
      return eval_leaf(expr);
    case ExprKind::kName:
      return eval_name(expr);
    case ExprKind::kList:
    case ExprKind::kTuple:
    case ExprKind::kConcat:
      return eval_items(expr);
    case ExprKind::kDict:
      return eval_dict(expr);
    case ExprKind::kAttribute:
      return get_attribute(rt_, eval(*expr.children[0]), expr.text);
    case ExprKind::kItem:
      return eval_subscript(expr);
    case ExprKind::kSlice:
      break;  // only inside of kItem
    case ExprKind::kCall:
      return eval_call(expr);
    case ExprKind::kFilter:
    case ExprKind::kTest:
      return eval_filter(expr);
    case ExprKind::kUnary:
      return eval_unary(expr);
    case ExprKind::kBinary:
      return eval_binary(expr);
    case ExprKind::kCompare:
      return eval_compare(expr);
    case ExprKind::kCondition:
      return eval_condition(expr);
  }
  rt_.fail("a slice outside of []");
}

Value Interpreter::eval_leaf(const Expr& expr) {
  if (expr.kind == ExprKind::kInteger) return Value(expr.integer);
  if (expr.kind == ExprKind::kReal) return Value(expr.real);
  if (expr.kind == ExprKind::kString) return make_text(rt_, expr.text);
  return expr.constant;
}

Value Interpreter::eval_name(const Expr& expr) {
  int64_t work = 0;
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    work += 1 + static_cast<int64_t>(scope->variables.size() / 16);
  }
  rt_.step(work);
  if (const Value* found = scope_->find(expr.text)) return *found;
  return make_undefined("'" + expr.text.substr(0, 80) + "' is undefined");
}

Value Interpreter::eval_items(const Expr& expr) {
  Items items;
  for (const ExprPtr& child : expr.children) items.push_back(eval(*child));
  if (expr.kind == ExprKind::kConcat) return concatenate(rt_, items);
  return make_sequence(rt_, std::move(items),
                       expr.kind == ExprKind::kList ? SequenceKind::kList : SequenceKind::kTuple);
}

Value Interpreter::eval_dict(const Expr& expr) {
  Entries entries;
  for (size_t i = 0; i + 1 < expr.children.size(); i += 2) {
    Value key = eval(*expr.children[i]);
    put(rt_, entries, std::move(key), eval(*expr.children[i + 1]));
  }
  return make_dict(rt_, std::move(entries));
}

Value Interpreter::eval_subscript(const Expr& expr) {
  const Value value = eval(*expr.children[0]);
  const Expr& index = *expr.children[1];
  if (index.kind != ExprKind::kSlice) return get_item(rt_, value, eval(index));
  const auto bound = [&](const ExprPtr& part) -> std::optional<int64_t> {
    if (part == nullptr) return std::nullopt;
    const Value at = eval(*part);
    if (at.is_none()) return std::nullopt;
    return to_index(rt_, at, "a slice's bound");
  };
  const SliceBounds bounds{bound(index.children[0]), bound(index.children[1]),
                           bound(index.children[2])};
  rt_.line = expr.line;
  return get_slice(rt_, value, bounds);
}

Arguments Interpreter::eval_arguments(const CallArguments& arguments) {
  Arguments result;
  for (const ExprPtr& argument : arguments.positional) {
    result.positional.push_back(eval(*argument));
  }
  for (const auto& [name, argument] : arguments.named) {
    result.named.emplace_back(name, eval(*argument));
  }
  if (arguments.star != nullptr) {
    for (Value& item : iterate(rt_, eval(*arguments.star))) {
      result.positional.push_back(std::move(item));
    }
  }
  if (arguments.double_star != nullptr) {
    const Value dict = eval(*arguments.double_star);
    if (!dict.is_dict()) rt_.fail("** needs a dict, not '{}'", type_name(dict));
    for (const auto& [key, value] : dict.dict().items) {
      if (!key.is_string()) rt_.fail("** needs a dict with strings as keys");
      result.named.emplace_back(key.string(), value);
    }
  }
  return result;
}

Value Interpreter::eval_call(const Expr& expr) {
  const Value function = eval(*expr.children[0]);
  Arguments arguments = eval_arguments(expr.arguments);
  rt_.line = expr.line;
  return call(rt_, function, arguments);
}

Value Interpreter::eval_filter(const Expr& expr) {
  const Value input = expr.children[0] != nullptr ? eval(*expr.children[0]) : *filter_input_;
  Arguments arguments = eval_arguments(expr.arguments);
  rt_.line = expr.line;
  if (expr.kind == ExprKind::kTest) return Value(apply_test(rt_, expr.text, input, arguments));
  return apply_filter(rt_, expr.text, input, arguments);
}

Value Interpreter::eval_unary(const Expr& expr) {
  const Value value = eval(*expr.children[0]);
  if (expr.text == "not") return Value(!truth(value));
  return unary(rt_, expr.text, value);
}

Value Interpreter::eval_binary(const Expr& expr) {
  Value left = eval(*expr.children[0]);
  if (expr.text == "and") return truth(left) ? eval(*expr.children[1]) : left;
  if (expr.text == "or") return truth(left) ? left : eval(*expr.children[1]);
  const Value right = eval(*expr.children[1]);
  rt_.line = expr.line;
  return binary(rt_, expr.text, left, right);
}

Value Interpreter::eval_compare(const Expr& expr) {
  Value left = eval(*expr.children[0]);
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    Value right = eval(*expr.children[i + 1]);
    const std::string& op = expr.operators[i];
    bool holds = false;
    if (op == "==") holds = equal(rt_, left, right);
    if (op == "!=") holds = !equal(rt_, left, right);
    if (op == "<") holds = less(rt_, left, right);
    if (op == ">") holds = less(rt_, right, left);
    if (op == "<=") holds = less(rt_, left, right) || equal(rt_, left, right);
    if (op == ">=") holds = less(rt_, right, left) || equal(rt_, left, right);
    if (op == "in") holds = contains(rt_, right, left);
    if (op == "not in") holds = !contains(rt_, right, left);
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interpreter::eval_condition(const Expr& expr) {
  if (truth(eval(*expr.children[0]))) return eval(*expr.children[1]);
  if (expr.children[2] != nullptr) return eval(*expr.children[2]);
  return make_undefined("the inline if has no else, and its condition does not hold");
}

}  // namespace tandem::jinja
