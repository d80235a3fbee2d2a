#include "cli/line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "base/check.h"

namespace tandem::cli {

struct LineEditor::Terminal {
  Terminal(std::string text, InterruptGuard* guard) : prompt(std::move(text)), interrupts(guard) {
    use_utf8();
    edit = el_init("tandem", stdin, stdout, stderr);
    history = history_init();
    if (edit == nullptr || history == nullptr) fail(ErrorCode::kResource, "no line editor");
    el_set(edit, EL_CLIENTDATA, this);
    el_set(edit, EL_PROMPT, &Terminal::show_prompt);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_SIGNAL, 0);
    el_set(edit, EL_GETCFN, &Terminal::next_character);
    // Also between lines keys come one by one and unseen: what is typed ahead must reach the editor
    // as it was typed. The terminal's own line discipline would show it twice and turn Ctrl-D into
    // a mark that is lost when the editor takes over. Ctrl-C stays a signal.
    el_set(edit, EL_SETTY, "-x", "-icanon", "-echo", nullptr);
    el_set(edit, EL_PREP_TERM, 1);  // before the first prompt invites somebody to type
    HistEvent event{};
    ::history(history, &event, H_SETSIZE, 500);
    ::history(history, &event, H_SETUNIQUE, 1);
    el_set(edit, EL_HIST, ::history, history);
  }
  ~Terminal() {
    el_end(edit);
    history_end(history);
  }

  /// Characters beyond ASCII are typed as UTF-8 even where the environment names no locale. Only
  /// the reading of characters changes: numbers and times keep the C locale.
  static void use_utf8() {
    setlocale(LC_CTYPE, "");
    if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
  }
  static char* show_prompt(EditLine* edit) {
    Terminal* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return self->prompt.data();
  }

  /// libedit's own reader goes on after a signal; this one gives up the line.
  static int next_character(EditLine* edit, wchar_t* character) {
    Terminal* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    char32_t code_point = 0;
    int more = 0;
    while (true) {
      pollfd ready[2] = {{STDIN_FILENO, POLLIN, 0}, {self->interrupts->fd(), POLLIN, 0}};
      if (poll(ready, 2, -1) < 0 && errno != EINTR) return -1;
      if (ready[1].revents != 0) return -1;
      if (ready[0].revents == 0) continue;
      unsigned char byte = 0;
      const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
      if (n <= 0) return static_cast<int>(n);
      if (byte < 0x80) {
        code_point = byte;
        more = 0;
      } else if (byte >= 0xC0) {
        more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
        code_point = byte & (0x3FU >> more);
        continue;
      } else {
        code_point = code_point << 6 | (byte & 0x3FU);
        more = more > 0 ? more - 1 : 0;
      }
      if (more == 0) break;
    }
    *character = static_cast<wchar_t>(code_point);
    return 1;
  }

  Outcome read(std::string& line) {
    interrupts->take();
    int length = 0;
    const char* text = el_gets(edit, &length);
    if (interrupts->take()) {
      const LineInfo* thrown = el_line(edit);
      line.assign(thrown->buffer, thrown->lastchar);
      el_reset(edit);
      std::fputs("^C\n", stdout);
      std::fflush(stdout);
      return Outcome::kInterrupted;
    }
    if (text == nullptr || length <= 0) {
      std::fputs("\n", stdout);
      std::fflush(stdout);
      return Outcome::kEnd;
    }
    line.assign(text, static_cast<size_t>(length));
    if (line.ends_with('\n')) line.pop_back();
    HistEvent event{};
    if (!line.empty()) ::history(history, &event, H_ENTER, line.c_str());
    return Outcome::kLine;
  }

  std::string prompt;
  InterruptGuard* interrupts;
  EditLine* edit = nullptr;
  History* history = nullptr;
};

LineEditor::LineEditor(std::string prompt, InterruptGuard* interrupts) {
  if (interrupts == nullptr || !on_terminal()) return;
  terminal_ = std::make_unique<Terminal>(std::move(prompt), interrupts);
}

LineEditor::~LineEditor() = default;

LineEditor::Outcome LineEditor::read(std::string& line) {
  if (terminal_ != nullptr) return terminal_->read(line);
  if (!std::getline(std::cin, line)) return Outcome::kEnd;
  if (line.ends_with('\r')) line.pop_back();
  return Outcome::kLine;
}

bool LineEditor::on_terminal() { return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0; }

}  // namespace tandem::cli
