// A compiled regular expression (PCRE2, compiled to machine code where the machine can).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace tandem {

struct TextRange {
  size_t begin = 0;
  size_t end = 0;
};

/// What one search at a time needs: not shared between threads. Costs nothing until it is used.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
};

/// Immutable; several threads may search with one at a time, each with its own scratch.
class Regex {
 public:
  /// `pattern` as tokenizer.json spells it. Throws Error(kBadInput or kUnsupported); `where` begins
  /// the message.
  static Regex compile(std::string_view pattern, const std::string& where);
  /// A pattern that matches `text` itself.
  static Regex literal(std::string_view text, const std::string& where);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  /// The leftmost match that begins at or after `from`. `text` is valid UTF-8. Throws
  /// Error(kBadInput) when the search exceeds the engine's limits.
  bool find(std::string_view text, size_t from, RegexScratch& scratch, TextRange& match) const;

 private:
  struct Code;
  explicit Regex(std::unique_ptr<Code> code);
  static Regex compile_pcre2(const std::string& pattern, std::string_view shown,
                             const std::string& where);
  std::unique_ptr<Code> code_;
};

}  // namespace tandem
