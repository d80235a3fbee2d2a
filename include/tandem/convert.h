// Making Hugging Face folders out of other forms of a checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tandem {

struct ImportOptions {
  std::string gguf;    ///< the file
  std::string folder;  ///< absent or empty; appears complete or not at all
  /// Called now and then with bytes written and bytes in all; false ends the import with
  /// Error(kAborted). May be empty.
  std::function<bool(int64_t, int64_t)> progress;
};

struct ImportSummary {
  int64_t tensors = 0;
  int64_t tokens = 0;
  int64_t bytes = 0;  ///< of the tensors
};

/// Turns a GGUF file of the LLaMA architecture (F32, F16, BF16, Q8_0, Q4_0, Q4_1; byte-level BPE)
/// into a folder with bfloat16 weights: each value is the format's formula in float, rounded once
/// to nearest even. Throws Error(kUnsupported) naming what it does not convert, Error(kBadInput)
/// for a damaged file or a folder that is in use, Error(kResource) when the disk is full. Nothing
/// is left behind on failure.
ImportSummary import_gguf(const ImportOptions& options);

}  // namespace tandem
