// What follows a value: attributes, subscripts, calls, filters, tests.
#include <algorithm>
#include <array>

#include "text/chat_template/parser.h"

namespace tandem::jinja {
namespace {

std::vector<ExprPtr> only(ExprPtr value) {
  std::vector<ExprPtr> list;
  list.push_back(std::move(value));
  return list;
}

}  // namespace

ExprPtr ExpressionParser::postfix(ExprPtr value) {
  while (true) {
    if (stream_.skip_operator(".")) {
      if (stream_.is(TokenKind::kInteger)) {  // list.0
        std::vector<ExprPtr> pair = only(std::move(value));
        pair.push_back(primary());
        value = make(ExprKind::kItem, std::move(pair));
      } else {
        std::string name = stream_.expect_name("an attribute");
        value = make(ExprKind::kAttribute, only(std::move(value)), std::move(name));
      }
    } else if (stream_.is_operator("[")) {
      value = subscript(std::move(value));
    } else if (stream_.is_operator("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::filters_and_tests(ExprPtr value) {
  while (true) {
    if (stream_.skip_operator("|")) {
      value = filter(std::move(value));
    } else if (stream_.skip_name("is")) {
      value = test(std::move(value));
    } else if (stream_.is_operator("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

std::string ExpressionParser::dotted_name(std::string_view what) {
  std::string name = stream_.expect_name(what);
  while (stream_.skip_operator(".")) name += "." + stream_.expect_name(what);
  return name;
}

ExprPtr ExpressionParser::filter(ExprPtr value) {
  std::string name = dotted_name("a filter");
  ExprPtr result = make(ExprKind::kFilter, only(std::move(value)), std::move(name));
  if (stream_.is_operator("(")) take_arguments(*result);
  return result;
}

ExprPtr ExpressionParser::filter_chain() {
  ExprPtr value = filter(nullptr);
  while (stream_.skip_operator("|")) value = filter(std::move(value));
  return value;
}

ExprPtr ExpressionParser::test(ExprPtr value) {
  const bool negated = stream_.skip_name("not");
  std::string name = dotted_name("a test");
  ExprPtr result = make(ExprKind::kTest, only(std::move(value)), std::move(name));
  // Words that go on after a test without being its argument.
  static constexpr std::array<std::string_view, 7> kFollowing = {"else", "or", "and", "if",
                                                                 "is",   "in", "not"};
  bool follows = false;
  for (const std::string_view word : kFollowing) follows = follows || stream_.is_name(word);
  if (stream_.is_name("is")) stream_.fail_unexpected("no second test (use `and`)");
  const TokenKind kind = stream_.peek().kind;
  const bool starts_value = kind == TokenKind::kName || kind == TokenKind::kString ||
                            kind == TokenKind::kInteger || kind == TokenKind::kFloat ||
                            stream_.is_operator("[") || stream_.is_operator("{");
  if (stream_.is_operator("(")) {
    take_arguments(*result);
  } else if (starts_value && !follows) {
    const Nesting nesting(nesting_, stream_);
    result->arguments.positional.push_back(postfix(primary()));
    result->depth = std::max(result->depth, result->arguments.positional[0]->depth + 1);
    check_depth(*result);
  }
  if (!negated) return result;
  return make(ExprKind::kUnary, only(std::move(result)), "not");
}

ExprPtr ExpressionParser::slice_or_index() {
  const auto part = [&]() -> ExprPtr {
    const bool absent =
        stream_.is_operator(":") || stream_.is_operator("]") || stream_.is_operator(",");
    return absent ? nullptr : expression();
  };
  ExprPtr start = part();
  if (!stream_.skip_operator(":")) {
    if (start == nullptr) stream_.fail_unexpected("an index");
    return start;
  }
  std::vector<ExprPtr> parts = only(std::move(start));
  parts.push_back(part());
  parts.push_back(stream_.skip_operator(":") ? part() : nullptr);
  return make(ExprKind::kSlice, std::move(parts));
}

ExprPtr ExpressionParser::subscript(ExprPtr value) {
  stream_.expect_operator("[");
  std::vector<ExprPtr> indices;
  do {
    if (!indices.empty() && stream_.is_operator("]")) break;
    indices.push_back(slice_or_index());
  } while (stream_.skip_operator(","));
  stream_.expect_operator("]");
  std::vector<ExprPtr> pair = only(std::move(value));
  if (indices.size() == 1) {
    pair.push_back(std::move(indices[0]));
  } else {
    for (const ExprPtr& index : indices) {
      if (index->kind == ExprKind::kSlice) stream_.runtime().fail("a slice among several indices");
    }
    pair.push_back(make(ExprKind::kTuple, std::move(indices)));
  }
  return make(ExprKind::kItem, std::move(pair));
}

ExprPtr ExpressionParser::call(ExprPtr function) {
  ExprPtr result = make(ExprKind::kCall, only(std::move(function)));
  take_arguments(*result);
  return result;
}

void ExpressionParser::take_arguments(Expr& expr) {
  expr.arguments = arguments();
  const auto count = [&](const ExprPtr& argument) {
    if (argument != nullptr) expr.depth = std::max(expr.depth, argument->depth + 1);
  };
  for (const ExprPtr& argument : expr.arguments.positional) count(argument);
  for (const auto& [name, argument] : expr.arguments.named) count(argument);
  count(expr.arguments.star);
  count(expr.arguments.double_star);
  check_depth(expr);
}

CallArguments ExpressionParser::arguments() {
  CallArguments result;
  stream_.expect_operator("(");
  while (!stream_.is_operator(")")) {
    if (stream_.skip_operator("*")) {
      if (result.star != nullptr) stream_.fail_unexpected("only one *list");
      result.star = expression();
    } else if (stream_.skip_operator("**")) {
      if (result.double_star != nullptr) stream_.fail_unexpected("only one **dict");
      result.double_star = expression();
    } else if (stream_.is(TokenKind::kName) && stream_.peek(1).kind == TokenKind::kOperator &&
               stream_.peek(1).text == "=") {
      std::string name = stream_.next().text;
      stream_.next();
      result.named.emplace_back(std::move(name), expression());
    } else {
      if (!result.named.empty()) stream_.fail_unexpected("an argument with a name");
      result.positional.push_back(expression());
    }
    if (!stream_.skip_operator(",")) break;
  }
  stream_.expect_operator(")");
  return result;
}

}  // namespace tandem::jinja
