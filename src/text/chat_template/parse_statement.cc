#include <algorithm>
#include <array>

#include "text/chat_template/parser.h"

namespace tandem::jinja {
namespace {

using Tags = std::vector<std::string_view>;

class StatementParser {
 public:
  explicit StatementParser(TokenStream& stream) : stream_(stream), expressions_(stream) {}

  Block whole() { return block({}, ""); }

 private:
  using StatementPtr = std::unique_ptr<Statement>;

  StatementPtr make(StatementKind kind) const {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->line = stream_.runtime().line;
    return statement;
  }
  bool at_tag(const Tags& tags) const {
    return stream_.is(TokenKind::kBlockBegin) && stream_.peek(1).kind == TokenKind::kName &&
           std::find(tags.begin(), tags.end(), stream_.peek(1).text) != tags.end();
  }

  /// Statements up to one of the tags, which stays in the stream behind its "{%".
  Block block(const Tags& ends, std::string_view opened_by) {
    const Nesting nesting(expressions_.nesting(), stream_);
    const int opened_at = stream_.runtime().line;
    Block result;
    while (!at_tag(ends)) {
      if (stream_.is(TokenKind::kEnd)) {
        if (ends.empty()) return result;
        stream_.runtime().fail("the template ends, but '{}' of line {} is not closed by '{}'",
                               opened_by, opened_at, ends.back());
      }
      if (StatementPtr next = statement(ends)) result.push_back(std::move(next));
    }
    stream_.next();
    return result;
  }
  /// As block, for bodies that only `end` closes; the closing tag is read too.
  Block body(std::string_view end, std::string_view opened_by) {
    Block result = block({end}, opened_by);
    stream_.next();
    // {% endmacro name %} may repeat the name.
    if (end == "endmacro" && stream_.is(TokenKind::kName)) stream_.next();
    stream_.expect(TokenKind::kBlockEnd);
    return result;
  }

  StatementPtr statement(const Tags& ends) {
    const Token token = stream_.next();
    if (token.kind == TokenKind::kData) {
      StatementPtr text = make(StatementKind::kText);
      text->text = token.text;
      return text;
    }
    if (token.kind == TokenKind::kVariableBegin) {
      StatementPtr print = make(StatementKind::kPrint);
      print->value = expressions_.tuple();
      stream_.expect(TokenKind::kVariableEnd);
      return print;
    }
    const std::string tag = stream_.expect_name("a tag");
    return tagged(tag, ends);
  }

  StatementPtr tagged(const std::string& tag, const Tags& ends) {
    if (tag == "if") return if_statement();
    if (tag == "for") return for_statement();
    if (tag == "set") return set_statement();
    if (tag == "macro") return macro();
    if (tag == "call") return call_block();
    if (tag == "with") return with();
    if (tag == "filter") return filter_block();
    if (tag == "generation") return generation();
    if (tag == "break" || tag == "continue") return loop_control(tag);
    if (ends.empty()) stream_.runtime().fail("unknown tag '{}'", tag);
    stream_.runtime().fail("unknown tag '{}'; '{}' is still open", tag, ends.back());
  }

  StatementPtr if_statement() {
    StatementPtr result = make(StatementKind::kIf);
    while (true) {
      ExprPtr test = expressions_.without_condition();
      stream_.expect(TokenKind::kBlockEnd);
      Block then = block({"elif", "else", "endif"}, "if");
      result->branches.emplace_back(std::move(test), std::move(then));
      if (stream_.skip_name("elif")) continue;
      const bool has_else = stream_.is_name("else");
      stream_.next();
      if (has_else) {
        stream_.expect(TokenKind::kBlockEnd);
        result->otherwise = body("endif", "if");
      } else {
        stream_.expect(TokenKind::kBlockEnd);
      }
      return result;
    }
  }

  StatementPtr for_statement() {
    StatementPtr result = make(StatementKind::kFor);
    result->target = expressions_.target(false);
    if (!stream_.skip_name("in")) stream_.fail_unexpected("'in'");
    result->value = expressions_.without_condition();
    if (stream_.skip_name("if")) result->condition = expressions_.expression();
    result->recursive = stream_.skip_name("recursive");
    stream_.expect(TokenKind::kBlockEnd);
    ++loops_;
    result->body = block({"else", "endfor"}, "for");
    --loops_;
    const bool has_else = stream_.is_name("else");
    stream_.next();
    stream_.expect(TokenKind::kBlockEnd);
    if (has_else) result->otherwise = body("endfor", "for");
    return result;
  }

  StatementPtr set_statement() {
    StatementPtr result = make(StatementKind::kSet);
    result->target = expressions_.target(true);
    if (stream_.skip_operator("=")) {
      result->value = expressions_.tuple();
      stream_.expect(TokenKind::kBlockEnd);
      return result;
    }
    result->kind = StatementKind::kCapture;
    if (stream_.skip_operator("|")) result->filter = expressions_.filter_chain();
    stream_.expect(TokenKind::kBlockEnd);
    result->body = body("endset", "set");
    return result;
  }

  StatementPtr filter_block() {
    StatementPtr result = make(StatementKind::kCapture);
    result->filter = expressions_.filter_chain();
    stream_.expect(TokenKind::kBlockEnd);
    result->body = body("endfilter", "filter");
    return result;
  }

  StatementPtr generation() {
    StatementPtr result = make(StatementKind::kScope);
    stream_.expect(TokenKind::kBlockEnd);
    result->body = body("endgeneration", "generation");
    return result;
  }

  StatementPtr with() {
    StatementPtr result = make(StatementKind::kWith);
    while (!stream_.is(TokenKind::kBlockEnd)) {
      if (!result->assignments.empty()) stream_.expect_operator(",");
      // One name each: the comma separates assignments here.
      ExprPtr target = stream_.is_operator("(") ? expressions_.target(false) : single_target();
      stream_.expect_operator("=");
      result->assignments.emplace_back(std::move(target), expressions_.expression());
    }
    stream_.expect(TokenKind::kBlockEnd);
    result->body = body("endwith", "with");
    return result;
  }
  ExprPtr single_target() {
    auto name = std::make_unique<Expr>();
    name->kind = ExprKind::kName;
    name->line = stream_.peek().line;
    name->text = stream_.expect_name("a name to assign to");
    return name;
  }

  StatementPtr loop_control(const std::string& tag) {
    if (loops_ == 0) stream_.runtime().fail("'{}' outside of a for loop", tag);
    StatementPtr result = make(tag == "break" ? StatementKind::kBreak : StatementKind::kContinue);
    stream_.expect(TokenKind::kBlockEnd);
    return result;
  }

  void parameters(Statement& macro) {
    stream_.expect_operator("(");
    while (!stream_.is_operator(")")) {
      Parameter parameter;
      parameter.name = stream_.expect_name("a parameter");
      if (stream_.skip_operator("=")) {
        parameter.fallback = expressions_.expression();
      } else if (!macro.parameters.empty() && macro.parameters.back().fallback != nullptr) {
        stream_.runtime().fail("parameter '{}' without default follows one with default",
                               parameter.name);
      }
      macro.parameters.push_back(std::move(parameter));
      if (!stream_.skip_operator(",")) break;
    }
    stream_.expect_operator(")");
  }
  /// The body of a macro, and which of varargs, kwargs and caller it mentions.
  void macro_body(Statement& macro, std::string_view end, std::string_view tag) {
    std::vector<std::string> outer;
    std::swap(outer, expressions_.names_seen());
    const int loops = std::exchange(loops_, 0);
    macro.body = body(end, tag);
    loops_ = loops;
    const auto& seen = expressions_.names_seen();
    const auto mentions = [&](std::string_view name) {
      return std::find(seen.begin(), seen.end(), name) != seen.end();
    };
    macro.takes_varargs = mentions("varargs");
    macro.takes_kwargs = mentions("kwargs");
    macro.takes_caller = mentions("caller");
    outer.insert(outer.end(), seen.begin(), seen.end());
    expressions_.names_seen() = std::move(outer);
  }

  StatementPtr macro() {
    StatementPtr result = make(StatementKind::kMacro);
    result->text = stream_.expect_name("the macro's name");
    parameters(*result);
    stream_.expect(TokenKind::kBlockEnd);
    macro_body(*result, "endmacro", "macro");
    return result;
  }

  StatementPtr call_block() {
    StatementPtr result = make(StatementKind::kCall);
    result->text = "caller";
    if (stream_.is_operator("(")) parameters(*result);
    result->value = expressions_.expression();
    if (result->value->kind != ExprKind::kCall) {
      stream_.runtime().fail("a call block names a call: {{% call name(...) %}}");
    }
    stream_.expect(TokenKind::kBlockEnd);
    macro_body(*result, "endcall", "call");
    return result;
  }

  TokenStream& stream_;
  ExpressionParser expressions_;
  int loops_ = 0;
};

}  // namespace

Block parse_template(std::string_view source, Runtime& rt) {
  if (source.size() > rt.limits().source_bytes) {
    rt.fail("{} bytes of template; at most {} are read", source.size(), rt.limits().source_bytes);
  }
  TokenStream stream(tokenize(source, rt), rt);
  return StatementParser(stream).whole();
}

}  // namespace tandem::jinja
