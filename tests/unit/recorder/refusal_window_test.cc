// What the recorder writes into a window is what a walker finds there.
#include "shim/recorder/refusal_window.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "base/path_table.h"
#include "signal/declaration/path_table.h"

namespace spoor {
namespace {

std::vector<uint8_t> table_of(const std::string& pattern) {
    const PatternContext context{"/ws", "", ""};
    PatternSet set(context);
    const std::vector<std::string> patterns{pattern};
    EXPECT_TRUE(set.add(patterns).empty());
    const PatternSet* const lists[] = {&set};
    return compile_path_table(context, lists,
                              [](ListMatches matches) {
                                  return list_matches(matches, 0) ? 0u : unsigned{SPOOR_REFUSE_READ};
                              })
        .value();
}

class RefusalWindowTest : public testing::Test {
protected:
    [[nodiscard]] spoor_refusal_slot slot_of(uint32_t word) const {
        spoor_refusal_slot slot{};
        std::memcpy(&slot, memory.data() + (word % SPOOR_REFUSAL_SLOTS) * sizeof slot, sizeof slot);
        return slot;
    }
    // As the programs do it.
    [[nodiscard]] unsigned ask(uint32_t word, std::string_view path) const {
        const spoor_refusal_slot slot = slot_of(word);
        if (slot.table == 0 || slot.generation != word / SPOOR_REFUSAL_SLOTS) return 0;
        return walk_path_table(memory, slot.table, path);
    }

    std::vector<uint8_t> memory = std::vector<uint8_t>(SPOOR_WINDOW_BYTES);
    RefusalWindow window{std::span(memory)};
};

TEST_F(RefusalWindowTest, EachTaskHasItsTable) {
    EXPECT_EQ(window.word_of(1), 0u);
    ASSERT_TRUE(window.publish(1, table_of("a")));
    ASSERT_TRUE(window.publish(2, table_of("b")));
    const uint32_t one = window.word_of(1), two = window.word_of(2);
    EXPECT_NE(one, 0u);
    EXPECT_NE(one, two);
    EXPECT_EQ(ask(one, "/ws/a"), 0u);
    EXPECT_NE(ask(one, "/ws/b"), 0u);
    EXPECT_NE(ask(two, "/ws/a"), 0u);
    EXPECT_EQ(ask(0, "/ws/b"), 0u);
}

TEST_F(RefusalWindowTest, AReplacedTableRaisesTheSequenceAndKeepsTheWord) {
    ASSERT_TRUE(window.publish(1, table_of("a")));
    const uint32_t word = window.word_of(1), before = slot_of(word).sequence, table = slot_of(word).table;
    ASSERT_TRUE(window.publish(1, table_of("b")));
    EXPECT_EQ(window.word_of(1), word);
    EXPECT_NE(slot_of(word).sequence, before);
    EXPECT_NE(slot_of(word).table, table) << "the one that may be being read is not overwritten";
    EXPECT_NE(ask(word, "/ws/a"), 0u);
    EXPECT_EQ(ask(word, "/ws/b"), 0u);
    // Its room is used again.
    ASSERT_TRUE(window.publish(1, table_of("c")));
    EXPECT_EQ(slot_of(word).table, table);
}

TEST_F(RefusalWindowTest, AnEndedTasksProcessesAreRefusedNothing) {
    ASSERT_TRUE(window.publish(1, table_of("a")));
    const uint32_t word = window.word_of(1);
    window.withdraw(1);
    EXPECT_EQ(window.word_of(1), 0u);
    EXPECT_EQ(ask(word, "/ws/x"), 0u);
    ASSERT_TRUE(window.publish(2, table_of("b")));
    EXPECT_EQ(window.word_of(2) % SPOOR_REFUSAL_SLOTS, word % SPOOR_REFUSAL_SLOTS);
    EXPECT_EQ(ask(word, "/ws/x"), 0u) << "the slot is another task's now";
    EXPECT_NE(ask(window.word_of(2), "/ws/x"), 0u);
}

TEST_F(RefusalWindowTest, WhatDoesNotFitIsTold) {
    const std::vector<uint8_t> large(SPOOR_WINDOW_BYTES / 2);
    ASSERT_TRUE(window.publish(1, large));
    auto second = window.publish(2, large);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ENOSPC);
    EXPECT_EQ(window.word_of(2), 0u);
    window.withdraw(1);
    EXPECT_TRUE(window.publish(2, large));
    // More tasks than slots.
    size_t taken = 0;
    for (uint32_t task = 10; task < 10 + SPOOR_REFUSAL_SLOTS; ++task)
        taken += window.publish(task, table_of("a")).has_value();
    EXPECT_EQ(taken, SPOOR_REFUSAL_SLOTS - 2);
}

TEST_F(RefusalWindowTest, IsMappedFromADescriptor) {
    UniqueFd file(::memfd_create("window", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(file.get(), SPOOR_WINDOW_BYTES), 0);
    auto mapped = RefusalWindow::map(file);
    ASSERT_TRUE(mapped);
    ASSERT_TRUE(mapped->publish(1, table_of("a")));
    spoor_refusal_slot slot{};
    ASSERT_EQ(
        ::pread(file.get(), &slot, sizeof slot, (mapped->word_of(1) % SPOOR_REFUSAL_SLOTS) * sizeof slot),
        ssize_t{sizeof slot});
    EXPECT_NE(slot.table, 0u);
}

}  // namespace
}  // namespace spoor
