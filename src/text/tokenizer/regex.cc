#include "text/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "text/tokenizer/regex_syntax.h"

namespace tandem {
namespace {

constexpr size_t kMaxPattern = 64 << 10;
// Characters that a possessive run over a whole text of some megabytes needs, and no more.
constexpr size_t kJitStackStart = 32 << 10;
constexpr size_t kJitStackMax = 4 << 20;

std::string message_of(int code) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct RegexScratch::State {
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr);

  State() {
    if (match == nullptr || context == nullptr)
      fail(ErrorCode::kResource, "no memory for a regular expression's search");
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

RegexScratch::RegexScratch() = default;
RegexScratch::~RegexScratch() = default;

struct Regex::Code {
  pcre2_code* compiled = nullptr;
  bool jit = false;
  std::string shown;

  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(compiled); }
};

Regex::Regex(std::unique_ptr<Code> code) : code_(std::move(code)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Regex Regex::compile(std::string_view pattern, const std::string& where) {
  if (pattern.size() > kMaxPattern) {
    bad_input("{}: a regular expression of {} bytes; at most {} are read", where, pattern.size(),
              kMaxPattern);
  }
  return compile_pcre2(to_pcre2_syntax(pattern, where), pattern, where);
}

Regex Regex::literal(std::string_view text, const std::string& where) {
  if (text.size() > kMaxPattern)
    bad_input("{}: a pattern of {} bytes; at most {} are read", where, text.size(), kMaxPattern);
  return compile_pcre2(quote_for_pcre2(text), text, where);
}

Regex Regex::compile_pcre2(const std::string& pattern, std::string_view shown,
                           const std::string& where) {
  auto code = std::make_unique<Code>();
  code->shown = shown;
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  // As in Ruby's syntax: only \n ends a line, and ^ and $ match at every line.
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code->compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK,
                                 &error, &offset, context.get());
  if (code->compiled == nullptr) {
    bad_input("{}: regular expression \"{}\": {} (near byte {})", where, shown, message_of(error),
              offset);
  }
  code->jit = pcre2_jit_compile(code->compiled, PCRE2_JIT_COMPLETE) == 0;
  return Regex(std::move(code));
}

bool Regex::find(std::string_view text, size_t from, RegexScratch& scratch,
                 TextRange& match) const {
  if (scratch.state_ == nullptr) scratch.state_ = std::make_unique<RegexScratch::State>();
  RegexScratch::State& state = *scratch.state_;
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  int result = PCRE2_ERROR_JIT_STACKLIMIT;
  if (code_->jit) {
    result =
        pcre2_jit_match(code_->compiled, subject, text.size(), from, 0, state.match, state.context);
  }
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its stack on the heap
    result = pcre2_match(code_->compiled, subject, text.size(), from,
                         PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, state.match, state.context);
  }
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) {
    bad_input("the tokenizer's regular expression \"{}\" cannot be applied to this text: {}",
              code_->shown, message_of(result));
  }
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(state.match);
  match = {offsets[0], offsets[1]};
  return true;
}

}  // namespace tandem
