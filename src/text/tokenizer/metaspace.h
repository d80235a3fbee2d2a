// Metaspace: spaces become a visible character, which begins words.
#pragma once

#include <memory>
#include <string>

#include "json/json.h"
#include "text/tokenizer/pre_tokenizer.h"

namespace tandem {

/// Which pieces get the replacement character put in front, unless they begin with it.
enum class PrependScheme { kAlways, kFirst, kNever };

struct MetaspaceOptions {
  std::string replacement;  ///< one character
  PrependScheme prepend = PrependScheme::kAlways;
  bool split = true;
};

/// Reads a Metaspace pre-tokenizer or decoder, the older spelling (add_prefix_space) too.
MetaspaceOptions parse_metaspace(const JsonReader& reader);

std::unique_ptr<PreTokenizer> make_metaspace(const JsonReader& reader);

}  // namespace tandem
