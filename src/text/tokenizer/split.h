// Cutting a text at the matches of a pattern.
#pragma once

#include "text/tokenizer/component.h"
#include "text/tokenizer/function_ref.h"
#include "text/tokenizer/pre_tokenizer.h"

namespace tandem {

/// What becomes of a match: dropped, a piece of its own, part of the piece before or behind it, or
/// one piece with the matches that touch it.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

SplitBehavior parse_split_behavior(const JsonReader& reader, std::string_view key);

/// A stretch of text that matched or that lies between two matches.
struct Stretch {
  size_t begin = 0;
  size_t end = 0;
  bool match = false;
};
using EmitStretch = FunctionRef<void(Stretch)>;
/// Gives the stretches of a text in order, without gaps.
using FindStretches = FunctionRef<void(EmitStretch)>;

void find_matches(const Regex& regex, std::string_view text, RegexScratch& scratch,
                  EmitStretch emit);

/// Applies `behavior` to the stretches of `piece`.
void split_at(Piece piece, SplitBehavior behavior, FindStretches find, EmitPiece emit);

}  // namespace tandem
