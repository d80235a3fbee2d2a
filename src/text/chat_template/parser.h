// Tokens to syntax tree. Precedences are Jinja's: condition, or, and, not, comparison, + -, ~, * /
// //
// %, **, sign, postfix, filter and test.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_template/ast.h"
#include "text/chat_template/lexer.h"

namespace tandem::jinja {

/// The tokens and where we are in them; what expressions and statements both need.
class TokenStream {
 public:
  TokenStream(std::vector<Token> tokens, Runtime& rt) : tokens_(std::move(tokens)), rt_(rt) {}

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool is(TokenKind kind) const { return peek().kind == kind; }
  bool is_operator(std::string_view text) const { return matches(TokenKind::kOperator, text); }
  bool is_name(std::string_view text) const { return matches(TokenKind::kName, text); }
  Token next();
  bool skip_operator(std::string_view text);
  bool skip_name(std::string_view text);
  void expect_operator(std::string_view text);
  void expect(TokenKind kind);
  std::string expect_name(std::string_view what);
  [[noreturn]] void fail_unexpected(std::string_view expected) const;

  Runtime& runtime() const { return rt_; }

 private:
  bool matches(TokenKind kind, std::string_view text) const {
    return peek().kind == kind && peek().text == text;
  }
  std::vector<Token> tokens_;
  Runtime& rt_;
  size_t at_ = 0;
};

/// Counts one level of nesting while it lives.
class Nesting {
 public:
  Nesting(int& depth, const TokenStream& stream);
  ~Nesting() { --depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& depth_;
};

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& stream) : stream_(stream) {}

  ExprPtr expression() { return condition(); }
  ExprPtr without_condition() { return tuple(false); }
  /// One expression, or several with commas between them: a tuple.
  ExprPtr tuple(bool with_condition = true);
  /// name, (a, b), a, b; with `attributes` also ns.name.
  ExprPtr target(bool attributes);
  /// `name(arguments) | name ...`, applied to the null expression.
  ExprPtr filter_chain();
  CallArguments arguments();

  /// Names that were read since the last call; for what a macro's body mentions.
  std::vector<std::string>& names_seen() { return names_seen_; }
  int& nesting() { return nesting_; }

 private:
  ExprPtr make(ExprKind kind, std::vector<ExprPtr> children, std::string text = "") const;
  /// Reads the arguments of a call, filter or test.
  void take_arguments(Expr& expr);
  void check_depth(const Expr& expr) const;
  ExprPtr condition();
  ExprPtr logical_or();
  ExprPtr logical_and();
  ExprPtr logical_not();
  ExprPtr comparison();
  std::string comparison_operator();
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr sign(bool with_filter);
  ExprPtr primary();
  ExprPtr name_or_constant();
  ExprPtr string_literal();
  ExprPtr parenthesized();
  ExprPtr list();
  ExprPtr dict();
  ExprPtr postfix(ExprPtr value);
  ExprPtr filters_and_tests(ExprPtr value);
  ExprPtr filter(ExprPtr value);
  ExprPtr test(ExprPtr value);
  ExprPtr subscript(ExprPtr value);
  ExprPtr slice_or_index();
  ExprPtr call(ExprPtr function);
  std::string dotted_name(std::string_view what);
  bool tuple_ends() const;

  TokenStream& stream_;
  std::vector<std::string> names_seen_;
  int nesting_ = 0;
};

/// Parses a whole template. Throws Error(kBadInput) with the line.
Block parse_template(std::string_view source, Runtime& rt);

}  // namespace tandem::jinja
