// How tokens become text again: the decoders of tokenizer.json, working on a stream.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "text/tokenizer/function_ref.h"

namespace tandem {

using EmitText = FunctionRef<void(std::string_view)>;

/// One decoder at work on one stream. It takes tokens, or fragments of one long text when a decoder
/// before it has joined them, and gives what is certain, in valid UTF-8.
class DecodeStage {
 public:
  virtual ~DecodeStage() = default;
  virtual void push(std::string_view token, EmitText emit) = 0;
  virtual void finish(EmitText) {}
};

/// The decoders of one tokenizer; makes the stages of each stream.
class Decoder {
 public:
  using MakeStage = std::function<std::unique_ptr<DecodeStage>()>;

  /// null: tokens are joined by single spaces. Throws Error(kUnsupported) naming an unknown type.
  /// `name`: the file.
  static Decoder parse(const Json& json, const std::string& name);
  explicit Decoder(std::vector<MakeStage> steps) : steps_(std::move(steps)) {}

  std::vector<std::unique_ptr<DecodeStage>> make_stages() const;

 private:
  std::vector<MakeStage> steps_;
};

/// The stages of one stream, the output of each being the input of the next.
class DecodeChain {
 public:
  explicit DecodeChain(const Decoder& decoder) : stages_(decoder.make_stages()) {}
  /// Appends to `out` what becomes certain.
  void push(std::string_view token, std::string& out) { push_from(0, token, out); }
  void finish(std::string& out);

 private:
  void push_from(size_t stage, std::string_view token, std::string& out);
  std::vector<std::unique_ptr<DecodeStage>> stages_;
};

}  // namespace tandem
