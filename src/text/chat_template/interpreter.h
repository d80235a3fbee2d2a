// Runs a syntax tree. One Interpreter per rendering.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_template/arguments.h"
#include "text/chat_template/ast.h"

namespace tandem::jinja {

/// The variables of one scope. A macro keeps the scope that it was defined in.
struct Scope : Mutable {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> variables;
  bool owned = false;  ///< the runtime knows it: it may be part of a cycle

  void clear() noexcept override;
  void set(std::string_view name, Value value);
  const Value* find(std::string_view name) const;
};

class Interpreter {
 public:
  Interpreter(Runtime& rt, std::shared_ptr<Scope> globals) : rt_(rt), scope_(std::move(globals)) {}
  std::string render(const Block& block);

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  class ScopeGuard;
  class OutputGuard;
  class DepthGuard;

  // interpreter.cc: statements
  Flow run(const Block& block);
  Flow run(const Statement& statement);
  void emit(std::string_view text);
  std::string capture(const Block& block, Flow& flow);
  Flow run_if(const Statement& statement);
  Flow run_with(const Statement& statement);
  void run_capture(const Statement& statement, Flow& flow);
  void assign(const Expr& target, Value value);
  void own_scopes();

  // interpreter_blocks.cc: loops and macros
  void run_for(const Statement& statement);
  void loop(const Statement& statement, const Value& iterable, int level);
  Items loop_items(const Statement& statement, const Value& iterable);
  Value make_macro(const Statement& statement);
  Value call_macro(const Statement& macro, const std::shared_ptr<Scope>& home,
                   Arguments& arguments);
  void bind_parameters(const Statement& macro, Arguments& arguments);
  void run_call(const Statement& statement);

  // evaluate.cc: expressions
  Value eval(const Expr& expr);
  Value eval_leaf(const Expr& expr);
  Value eval_name(const Expr& expr);
  Value eval_items(const Expr& expr);
  Value eval_dict(const Expr& expr);
  Value eval_subscript(const Expr& expr);
  Value eval_call(const Expr& expr);
  Value eval_filter(const Expr& expr);
  Value eval_unary(const Expr& expr);
  Value eval_binary(const Expr& expr);
  Value eval_compare(const Expr& expr);
  Value eval_condition(const Expr& expr);
  Arguments eval_arguments(const CallArguments& arguments);

  Runtime& rt_;
  std::shared_ptr<Scope> scope_;
  std::string* out_ = nullptr;
  size_t pending_ = 0;  ///< bytes in all open outputs
  int depth_ = 0;
  const Value* filter_input_ = nullptr;  ///< what the innermost filter of a filter block gets
};

}  // namespace tandem::jinja
