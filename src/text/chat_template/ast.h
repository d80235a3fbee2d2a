// The syntax tree of a template. Plain data; the parser bounds its depth.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/chat_template/value.h"

namespace tandem::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprKind {
  kInteger,
  kReal,
  kString,
  kConstant,   ///< true, false, none (value)
  kName,       ///< text
  kList,       ///< children
  kTuple,      ///< children; as an assignment's target too
  kDict,       ///< children: key, value, key, value ...
  kAttribute,  ///< children[0].text
  kItem,       ///< children[0][children[1]]
  kSlice,      ///< children: start, stop, step; each may be null; only inside kItem
  kCall,       ///< children[0](arguments)
  kFilter,     ///< children[0] | text(arguments)
  kTest,       ///< children[0] is text(arguments)
  kUnary,      ///< text: "-", "+", "not"
  kBinary,     ///< text: "+", "-", "*", "/", "//", "%", "**", "and", "or"
  kConcat,     ///< children joined as text (~)
  kCompare,    ///< children[0] operators[0] children[1] operators[1] ...
  kCondition,  ///< children: condition, value, otherwise (may be null)
};

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star;         ///< *list
  ExprPtr double_star;  ///< **dict
};

struct Expr {
  ExprKind kind = ExprKind::kConstant;
  int line = 1;
  int depth = 1;
  std::string text;
  Int integer = 0;
  double real = 0;
  Value constant;
  std::vector<ExprPtr> children;
  std::vector<std::string> operators;
  CallArguments arguments;
};

enum class StatementKind {
  kText,     ///< text
  kPrint,    ///< value
  kIf,       ///< branches; body: else
  kFor,      ///< target, value, condition, recursive, body, otherwise
  kSet,      ///< target = value
  kCapture,  ///< target = body through filter; without target: filter block, printed
  kWith,     ///< assignments, body
  kMacro,    ///< text, parameters, body
  kCall,     ///< value (a call), parameters, body
  kScope,    ///< body in a scope of its own (generation)
  kBreak,
  kContinue,
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

struct Parameter {
  std::string name;
  ExprPtr fallback;  ///< null: none given
};

struct Statement {
  StatementKind kind = StatementKind::kText;
  int line = 1;
  std::string text;
  ExprPtr target;  ///< a name, attribute of a namespace, or tuple of such
  ExprPtr value;
  ExprPtr condition;
  ExprPtr filter;  ///< a chain of kFilter whose innermost input is the captured text (null child)
  bool recursive = false;
  bool takes_varargs = false;  ///< the macro's body mentions varargs, kwargs, caller
  bool takes_kwargs = false;
  bool takes_caller = false;
  std::vector<Parameter> parameters;
  std::vector<std::pair<ExprPtr, Block>> branches;
  std::vector<std::pair<ExprPtr, ExprPtr>> assignments;
  Block body;
  Block otherwise;
};

}  // namespace tandem::jinja
