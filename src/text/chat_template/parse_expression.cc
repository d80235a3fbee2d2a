#include <algorithm>
#include <array>

#include "text/chat_template/literal.h"
#include "text/chat_template/parser.h"

namespace tandem::jinja {

Token TokenStream::next() {
  Token token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  rt_.line = token.line;
  return token;
}

bool TokenStream::skip_operator(std::string_view text) {
  if (!is_operator(text)) return false;
  next();
  return true;
}

bool TokenStream::skip_name(std::string_view text) {
  if (!is_name(text)) return false;
  next();
  return true;
}

void TokenStream::expect_operator(std::string_view text) {
  if (!skip_operator(text)) fail_unexpected(fmt::format("'{}'", text));
}

void TokenStream::expect(TokenKind kind) {
  if (!is(kind)) fail_unexpected(kind == TokenKind::kBlockEnd ? "'%}'" : "'}}'");
  next();
}

std::string TokenStream::expect_name(std::string_view what) {
  if (!is(TokenKind::kName)) fail_unexpected(what);
  return next().text;
}

void TokenStream::fail_unexpected(std::string_view expected) const {
  rt_.line = peek().line;
  if (is(TokenKind::kEnd)) rt_.fail("the template ends where {} is expected", expected);
  rt_.fail("unexpected '{}'; {} is expected", peek().text.substr(0, 60), expected);
}

Nesting::Nesting(int& depth, const TokenStream& stream) : depth_(depth) {
  const int limit = stream.runtime().limits().syntax_depth;
  if (depth_ >= limit) stream.runtime().fail("nested deeper than {} levels", limit);
  ++depth_;
}

ExprPtr ExpressionParser::make(ExprKind kind, std::vector<ExprPtr> children,
                               std::string text) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = stream_.runtime().line;
  expr->text = std::move(text);
  for (const ExprPtr& child : children) {
    if (child != nullptr) expr->depth = std::max(expr->depth, child->depth + 1);
  }
  check_depth(*expr);
  expr->children = std::move(children);
  return expr;
}

/// Chains like a + a + a ... nest in the tree without nesting in the text.
void ExpressionParser::check_depth(const Expr& expr) const {
  const int limit = 2 * stream_.runtime().limits().syntax_depth;
  if (expr.depth > limit) stream_.runtime().fail("an expression of more than {} levels", limit);
}

namespace {

template <typename... Children>
std::vector<ExprPtr> children_of(Children... children) {
  std::vector<ExprPtr> list;
  (list.push_back(std::move(children)), ...);
  return list;
}

}  // namespace

bool ExpressionParser::tuple_ends() const {
  const TokenKind kind = stream_.peek().kind;
  return kind == TokenKind::kVariableEnd || kind == TokenKind::kBlockEnd ||
         stream_.is_operator(")") || stream_.is_operator("=");
}

ExprPtr ExpressionParser::tuple(bool with_condition) {
  const Nesting nesting(nesting_, stream_);
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (!tuple_ends()) {
    items.push_back(with_condition ? condition() : logical_or());
    if (!stream_.skip_operator(",")) break;
    is_tuple = true;
  }
  if (items.empty()) stream_.fail_unexpected("an expression");
  if (!is_tuple) return std::move(items[0]);
  return make(ExprKind::kTuple, std::move(items));
}

ExprPtr ExpressionParser::target(bool attributes) {
  const Nesting nesting(nesting_, stream_);
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  do {
    if (is_tuple && (stream_.is_name("in") || tuple_ends())) break;
    if (stream_.skip_operator("(")) {
      items.push_back(target(attributes));
      stream_.expect_operator(")");
    } else {
      const std::string name = stream_.expect_name("a name to assign to");
      static constexpr std::array<std::string_view, 6> kReserved = {"true", "false", "none",
                                                                    "True", "False", "None"};
      if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end()) {
        stream_.runtime().fail("cannot assign to '{}'", name);
      }
      items.push_back(make(ExprKind::kName, {}, name));
      if (attributes && stream_.skip_operator(".")) {
        std::string attribute = stream_.expect_name("an attribute");
        items.back() =
            make(ExprKind::kAttribute, children_of(std::move(items.back())), std::move(attribute));
      }
    }
    is_tuple = is_tuple || stream_.is_operator(",");
  } while (stream_.skip_operator(","));
  if (!is_tuple) return std::move(items[0]);
  return make(ExprKind::kTuple, std::move(items));
}

ExprPtr ExpressionParser::condition() {
  const Nesting nesting(nesting_, stream_);
  ExprPtr value = logical_or();
  while (stream_.skip_name("if")) {
    ExprPtr test = logical_or();
    ExprPtr otherwise = stream_.skip_name("else") ? condition() : nullptr;
    value = make(ExprKind::kCondition,
                 children_of(std::move(test), std::move(value), std::move(otherwise)));
  }
  return value;
}

ExprPtr ExpressionParser::logical_or() {
  ExprPtr left = logical_and();
  while (stream_.skip_name("or")) {
    ExprPtr right = logical_and();
    left = make(ExprKind::kBinary, children_of(std::move(left), std::move(right)), "or");
  }
  return left;
}

ExprPtr ExpressionParser::logical_and() {
  ExprPtr left = logical_not();
  while (stream_.skip_name("and")) {
    ExprPtr right = logical_not();
    left = make(ExprKind::kBinary, children_of(std::move(left), std::move(right)), "and");
  }
  return left;
}

ExprPtr ExpressionParser::logical_not() {
  if (!stream_.skip_name("not")) return comparison();
  const Nesting nesting(nesting_, stream_);
  return make(ExprKind::kUnary, children_of(logical_not()), "not");
}

std::string ExpressionParser::comparison_operator() {
  static constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  for (const std::string_view op : kOperators) {
    if (stream_.skip_operator(op)) return std::string(op);
  }
  if (stream_.skip_name("in")) return "in";
  if (stream_.is_name("not") && stream_.peek(1).kind == TokenKind::kName &&
      stream_.peek(1).text == "in") {
    stream_.next();
    stream_.next();
    return "not in";
  }
  return "";
}

ExprPtr ExpressionParser::comparison() {
  ExprPtr first = sum();
  std::vector<std::string> operators;
  std::vector<ExprPtr> operands = children_of(std::move(first));
  for (std::string op = comparison_operator(); !op.empty(); op = comparison_operator()) {
    operators.push_back(std::move(op));
    operands.push_back(sum());
  }
  if (operators.empty()) return std::move(operands[0]);
  ExprPtr result = make(ExprKind::kCompare, std::move(operands));
  result->operators = std::move(operators);
  return result;
}

ExprPtr ExpressionParser::sum() {
  ExprPtr left = concatenation();
  while (stream_.is_operator("+") || stream_.is_operator("-")) {
    std::string op = stream_.next().text;
    ExprPtr right = concatenation();
    left = make(ExprKind::kBinary, children_of(std::move(left), std::move(right)), std::move(op));
  }
  return left;
}

ExprPtr ExpressionParser::concatenation() {
  std::vector<ExprPtr> parts = children_of(product());
  while (stream_.skip_operator("~")) parts.push_back(product());
  if (parts.size() == 1) return std::move(parts[0]);
  return make(ExprKind::kConcat, std::move(parts));
}

ExprPtr ExpressionParser::product() {
  ExprPtr left = power();
  while (stream_.is_operator("*") || stream_.is_operator("/") || stream_.is_operator("//") ||
         stream_.is_operator("%")) {
    std::string op = stream_.next().text;
    ExprPtr right = power();
    left = make(ExprKind::kBinary, children_of(std::move(left), std::move(right)), std::move(op));
  }
  return left;
}

ExprPtr ExpressionParser::power() {
  ExprPtr left = sign(true);
  while (stream_.skip_operator("**")) {
    ExprPtr right = sign(true);
    left = make(ExprKind::kBinary, children_of(std::move(left), std::move(right)), "**");
  }
  return left;
}

ExprPtr ExpressionParser::sign(bool with_filter) {
  ExprPtr value;
  if (stream_.is_operator("-") || stream_.is_operator("+")) {
    const Nesting nesting(nesting_, stream_);
    std::string op = stream_.next().text;
    value = make(ExprKind::kUnary, children_of(sign(false)), std::move(op));
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  return with_filter ? filters_and_tests(std::move(value)) : std::move(value);
}

ExprPtr ExpressionParser::primary() {
  const Token& token = stream_.peek();
  switch (token.kind) {
    case TokenKind::kName:
      return name_or_constant();
    case TokenKind::kString:
      return string_literal();
    case TokenKind::kInteger: {
      ExprPtr value = make(ExprKind::kInteger, {});
      value->integer = parse_integer(stream_.next().text, stream_.runtime());
      return value;
    }
    case TokenKind::kFloat: {
      ExprPtr value = make(ExprKind::kReal, {});
      value->real = parse_real(stream_.next().text);
      return value;
    }
    default:
      break;
  }
  if (stream_.is_operator("(")) return parenthesized();
  if (stream_.is_operator("[")) return list();
  if (stream_.is_operator("{")) return dict();
  stream_.fail_unexpected("an expression");
}

ExprPtr ExpressionParser::name_or_constant() {
  std::string name = stream_.next().text;
  if (name == "true" || name == "True" || name == "false" || name == "False") {
    ExprPtr value = make(ExprKind::kConstant, {});
    value->constant = Value((name[0] | 0x20) == 't');
    return value;
  }
  if (name == "none" || name == "None") return make(ExprKind::kConstant, {});
  if (name == "varargs" || name == "kwargs" || name == "caller") names_seen_.push_back(name);
  return make(ExprKind::kName, {}, std::move(name));
}

ExprPtr ExpressionParser::string_literal() {
  std::string text = stream_.next().text;
  while (stream_.is(TokenKind::kString)) text += stream_.next().text;
  return make(ExprKind::kString, {}, std::move(text));
}

ExprPtr ExpressionParser::parenthesized() {
  stream_.expect_operator("(");
  ExprPtr value = stream_.is_operator(")") ? make(ExprKind::kTuple, {}) : tuple();
  stream_.expect_operator(")");
  return value;
}

ExprPtr ExpressionParser::list() {
  stream_.expect_operator("[");
  std::vector<ExprPtr> items;
  while (!stream_.is_operator("]")) {
    items.push_back(expression());
    if (!stream_.skip_operator(",")) break;
  }
  stream_.expect_operator("]");
  return make(ExprKind::kList, std::move(items));
}

ExprPtr ExpressionParser::dict() {
  stream_.expect_operator("{");
  std::vector<ExprPtr> items;
  while (!stream_.is_operator("}")) {
    items.push_back(expression());
    stream_.expect_operator(":");
    items.push_back(expression());
    if (!stream_.skip_operator(",")) break;
  }
  stream_.expect_operator("}");
  return make(ExprKind::kDict, std::move(items));
}

}  // namespace tandem::jinja
