// Finds the secrets of one text, from left to right. Private to signal/; redact.h is for users.
//
// Time is linear in the text: whatever is looked at beyond the current place is either replaced, or
// bounded, or remembered as a dead end.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "signal/secret_names.h"

namespace spoor {

// What the words of a command line so far say of the next one.
struct CommandContext {
    enum class Next { anything, secret, behind_colon, behind_percent, script };
    Next next = Next::anything;
    bool setting = false;  // `config set` stands before: NAME VALUE may follow
    std::span<const SecretOption> options;
};

class SecretScan {
public:
    // `argument`: the text is one argument, so that an option's value goes to its end; else a script or
    // something else with words in it. `cut`: the text may go on where nobody could see it. `book` and
    // `text` outlive this.
    SecretScan(const SecretBook& book, std::string_view text, bool argument, bool cut)
        : book_(book), text_(text), argument_(argument), cut_(cut) {}

    // The text with its secrets replaced. Once.
    std::string redacted(CommandContext& context);

private:
    struct Range {
        size_t start = 0, length = 0;
    };

    // The first secret that the place tells of; it may begin later.
    Range find(size_t at, CommandContext& context);
    Range word_rules(size_t at, CommandContext& context);
    Range option_rules(size_t at, size_t end, CommandContext& context);
    Range place_rules(size_t at);
    Range assignment(size_t at);
    Range colon(size_t at);
    Range userinfo(size_t authority, bool http);
    Range private_key(size_t at);
    Range credentials(size_t at);
    Range shape(size_t at);

    // Where a value that begins at `from` ends: at white space, honouring quotes and backslashes. One of a
    // URL's query ends at & and # as well, one in quotes of JSON or YAML with its closing one.
    enum class Place { word, query, field };
    size_t value_end(size_t from, Place place);
    size_t closing_quote(size_t from, char quote);
    [[nodiscard]] bool quote_closes(size_t at) const;
    [[nodiscard]] bool word_begins(size_t at) const;
    // The value at the head of an argument, or a word's in a script.
    Range value_from(size_t start, bool whole);
    // Of such a value, what is behind the first separator.
    Range behind(size_t start, bool whole, char separator);
    [[nodiscard]] bool is_reference(Range range) const;
    [[nodiscard]] bool at_cut_end(size_t at) const { return cut_ && at == text_.size(); }

    const SecretBook& book_;
    std::string_view text_;
    bool argument_, cut_;
    CommandContext inner_;            // of the words in an argument
    size_t no_quote_from_[256] = {};  // by quote: none from here on (plus one; 0: not known)
    size_t no_web_token_before_ = 0;
};

}  // namespace spoor
