// JSON as template values, and what transformers does to messages before a template sees them.
#pragma once

#include "json/json.h"
#include "text/chat_template/value.h"

namespace tandem::jinja {

Value from_json(Runtime& rt, const Json& json);

/// An array of messages. Null keys are dropped when asked for; reasoning that is given under one of
/// its names (reasoning_content, thinking, reasoning) appears as reasoning_content and thinking.
/// Throws Error(kBadInput) on what is no array of objects.
Value from_messages(Runtime& rt, Json messages, bool drop_null_keys);

}  // namespace tandem::jinja
