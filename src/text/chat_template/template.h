// A parsed template: what ChatTemplate is made of, with limits of choice for tests and fuzzing.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tandem/text.h"
#include "text/chat_template/ast.h"

namespace tandem::jinja {

class Template {
 public:
  Template(std::string_view source, std::string name, const Limits& limits = {});
  /// `variables`: what the template sees besides the input's own (special tokens).
  std::string render(const ChatTemplate::Input& input,
                     const std::vector<std::pair<std::string, std::string>>& variables) const;

 private:
  std::string name_;
  Limits limits_;
  Block block_;
};

}  // namespace tandem::jinja
