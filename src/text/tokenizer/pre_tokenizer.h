// How text is cut before the model sees it: the pre-tokenizers of tokenizer.json.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "json/json.h"
#include "text/tokenizer/function_ref.h"

namespace tandem {

class RegexScratch;

struct Piece {
  std::string_view text;  ///< valid UTF-8, not empty
  bool at_start = false;  ///< begins where the whole text begins
};
using EmitPiece = FunctionRef<void(Piece)>;

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Calls `emit` with each piece in order; a piece's text is valid during the call.
  virtual void split(Piece piece, RegexScratch& scratch, EmitPiece emit) const = 0;
};

struct PreTokenizerSpec {
  std::unique_ptr<PreTokenizer> steps;  ///< nullptr: the text is one piece
  /// The last step spells the pieces in byte letters. It is left to the model, which looks bytes up
  /// instead of letters: the same ids for less work.
  bool byte_level = false;
};

/// Throws Error(kUnsupported) naming an unknown type. `name`: the file.
PreTokenizerSpec parse_pre_tokenizer(const Json& json, const std::string& name);

}  // namespace tandem
