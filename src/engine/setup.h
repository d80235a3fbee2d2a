// What rank 0 tells the others before they load: everything they must agree on.
#pragma once

#include <string>
#include <vector>

#include "model/decoder.h"
#include "parallel/mc2.h"
#include "tandem/engine.h"

namespace tandem {

struct RankSetup {
  std::string model_path;
  std::vector<std::string> architectures;  ///< of the families that rank 0 knows
  std::string device = "cpu";
  std::string isa;  ///< a concrete one
  int threads = 1;
  DecoderOptions decoder;
  double time_limit_s = 30;  ///< of the self-test
  Mc2Mode mc2 = Mc2Mode::kOff;
  bool time_ops = false;
};

std::vector<std::byte> encode_setup(const RankSetup& setup);
RankSetup decode_setup(const std::vector<std::byte>& bytes);

}  // namespace tandem
