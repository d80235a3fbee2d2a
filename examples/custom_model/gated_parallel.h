// A family of this program's own: attention and MLP side by side on one LayerNorm with bias, each
// behind a learned sigmoid gate. No option of the library says that, so the family has a block
// function.
#pragma once

#include <tandem/model.h>

tandem::Family gated_parallel_family();
