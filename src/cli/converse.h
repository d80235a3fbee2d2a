// The conversation that `tandem chat` and the mode without a command share.
#pragma once

#include "cli/talk.h"

namespace tandem::cli {

/// Questions from standard input, answers to standard output, until the end of the input.
void converse(const TalkOptions& options, Engine& engine, const ChatPrompter& prompter);

}  // namespace tandem::cli
