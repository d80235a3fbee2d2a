// Making Hugging Face folders out of other forms of a checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tandem {

class Families;

struct ImportOptions {
  std::string gguf;    ///< the file
  std::string folder;  ///< absent or empty; appears complete or not at all
  /// Matrices of Q8_0, Q4_0 and Q4_1 keep their codes, scales and minima: the folder is stored
  /// quantized, and nothing is rounded.
  bool keep_quantized = false;
  /// Called now and then with bytes written and bytes in all; false ends the import with
  /// Error(kAborted). May be empty.
  std::function<bool(int64_t, int64_t)> progress;
};

struct ImportSummary {
  int64_t tensors = 0;
  int64_t tokens = 0;
  int64_t bytes = 0;               ///< of the tensors
  std::vector<std::string> notes;  ///< what keep_quantized could not keep, and why
};

/// Turns a GGUF file of the LLaMA architecture (F32, F16, BF16, Q8_0, Q4_0, Q4_1; byte-level BPE)
/// into a folder with bfloat16 weights: each value is the format's formula in float, rounded once
/// to nearest even. Throws Error(kUnsupported) naming what it does not convert, Error(kBadInput)
/// for a damaged file or a folder that is in use, Error(kResource) when the disk is full. Nothing
/// is left behind on failure.
ImportSummary import_gguf(const ImportOptions& options);

struct QuantizeOptions {
  std::string from;             ///< Hugging Face folder in 16 or 32 bits
  std::string to;               ///< absent or empty; appears complete or not at all
  std::string format = "int8";  ///< as --quantize: int8, int4, int4_symmetric or int4_min
  /// As ImportOptions::progress.
  std::function<bool(int64_t, int64_t)> progress;
};

struct QuantizeSummary {
  int64_t tensors = 0;
  int64_t bytes_before = 0;  ///< of the tensors
  int64_t bytes = 0;
};

/// Writes the folder that loads with the same bits as `from` with that --quantize. `families`: of
/// the program's own, or nullptr. Throws Error as Engine::load does for `from`, as import_gguf()
/// for `to`; Error(kBadInput) for another format or a folder that is quantized already.
QuantizeSummary quantize_folder(const QuantizeOptions& options, const Families* families = nullptr);

}  // namespace tandem
