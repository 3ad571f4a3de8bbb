#include "signal/attribution.h"

#include <gmock/gmock.h>

#include <map>

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

ProcessKey process(uint32_t pid, uint64_t start = 0) { return {pid, start == 0 ? pid * 10 : start}; }

struct AttributionTest : testing::Test {
    std::map<TaskNumber, TaskNumber> outer;  // of a task
    Attribution tree{[this](TaskNumber inner, TaskNumber wanted) {
                         for (int depth = 0; depth < 10 && inner != 0; ++depth)
                             if ((inner = outer[inner]) == wanted) return true;
                         return false;
                     },
                     8};

    void fork(uint32_t child, uint32_t parent) {
        tree.on_fork(process(child), process(parent), child + 1000);
    }
    std::vector<TaskNumber> of(uint32_t pid) {
        auto tasks = tree.tasks(process(pid));
        return {tasks.begin(), tasks.end()};
    }
    static std::vector<uint32_t> pids(const Attribution::Changes& changes) {
        std::vector<uint32_t> pids;
        for (const auto& change : changes) pids.push_back(change.process.pid);
        return pids;
    }
};

TEST_F(AttributionTest, TheEnvironmentIsInheritedAndTheInnerOneWins) {
    tree.seen(process(1));
    fork(2, 1);
    EXPECT_THAT(pids(tree.on_environment(process(2), 7, 7)), ElementsAre(2));
    fork(3, 2);
    EXPECT_THAT(of(3), ElementsAre(7u));
    EXPECT_THAT(tree.on_environment(process(3), 7, 7), IsEmpty());  // exec with the same
    EXPECT_THAT(tree.on_environment(process(3), 8, 8), testing::SizeIs(1));
    EXPECT_THAT(of(2), ElementsAre(7u));
    EXPECT_THAT(of(3), ElementsAre(8u));
    EXPECT_THAT(of(1), IsEmpty());
}

TEST_F(AttributionTest, AnEmptiedEnvironmentLeavesTheProcessWithItsTree) {
    tree.seen(process(1));
    tree.on_environment(process(1), 7, 7);
    fork(2, 1);
    EXPECT_THAT(tree.on_environment(process(2), 0, 0), IsEmpty());
    EXPECT_THAT(of(2), ElementsAre(7u));
    fork(3, 2);
    EXPECT_THAT(of(3), ElementsAre(7u));
}

TEST_F(AttributionTest, ALateClaimReachesChildrenAndEndedOnes) {
    tree.seen(process(1));
    fork(2, 1);
    fork(3, 2);
    fork(4, 3);
    tree.on_exit(process(3), 50);  // 4 is an orphan now
    tree.on_exit(process(2), 51);
    auto changes = tree.claim(5, process(2));
    EXPECT_THAT(pids(changes), UnorderedElementsAre(2, 3, 4));
    for (const auto& change : changes) EXPECT_TRUE(change.had_none);
    EXPECT_THAT(of(4), ElementsAre(5u));
    EXPECT_THAT(of(1), IsEmpty());
}

TEST_F(AttributionTest, AClaimOfTheOuterTaskLeavesTheInnerAlone) {
    tree.seen(process(1));
    fork(2, 1);
    fork(3, 2);
    tree.claim(6, process(3));
    EXPECT_THAT(pids(tree.claim(5, process(2))), ElementsAre(2));
    EXPECT_THAT(of(3), ElementsAre(6u));
    // And the other way round, later than the outer one.
    fork(4, 2);
    EXPECT_THAT(of(4), ElementsAre(5u));
    EXPECT_THAT(pids(tree.claim(8, process(4))), ElementsAre(4));
    EXPECT_THAT(of(4), ElementsAre(8u));
}

TEST_F(AttributionTest, AWorkerServesOneTaskAfterTheOther) {
    tree.seen(process(1));
    fork(2, 1);
    tree.on_environment(process(2), 5, 5);  // started by its first task
    fork(3, 2);
    EXPECT_THAT(pids(tree.claim(6, process(2))), UnorderedElementsAre(2, 3));
    // Its helpers have the first task's values in their environment still.
    fork(4, 2);
    EXPECT_THAT(tree.on_environment(process(4), 5, 5), IsEmpty());
    EXPECT_THAT(of(4), ElementsAre(6u));
    std::vector<ProcessKey> members{process(2), process(3), process(4)};
    tree.release(5, members);
    EXPECT_THAT(of(2), ElementsAre(6u));
    auto changes = tree.release(6, members);
    EXPECT_THAT(pids(changes), UnorderedElementsAre(2, 3, 4));
    EXPECT_THAT(of(2), IsEmpty());
    EXPECT_THAT(pids(tree.claim(7, process(2))), UnorderedElementsAre(2, 3, 4));
    EXPECT_THAT(of(3), ElementsAre(7u));
}

TEST_F(AttributionTest, SeveralTasksCanShareAProcess) {
    tree.seen(process(1));
    tree.claim(6, process(1));
    tree.claim(5, process(1));
    EXPECT_THAT(of(1), ElementsAre(5u, 6u));
    fork(2, 1);
    EXPECT_THAT(of(2), ElementsAre(5u, 6u));
    tree.release(6, std::vector{process(1), process(2)});
    EXPECT_THAT(of(2), ElementsAre(5u));
}

TEST_F(AttributionTest, OfNestedTasksOnOneProcessTheInnerWinsInAnyOrder) {
    outer[6] = 5;
    tree.seen(process(1));
    tree.claim(6, process(1));
    EXPECT_THAT(tree.claim(5, process(1)), IsEmpty());
    EXPECT_THAT(of(1), ElementsAre(6u));
    tree.release(6, std::vector{process(1)});
    EXPECT_THAT(of(1), ElementsAre(5u));
    tree.claim(6, process(1));
    EXPECT_THAT(of(1), ElementsAre(6u));
    outer[5] = 6;  // nonsense: each within the other
    tree.release(6, std::vector{process(1)});
    tree.claim(6, process(1));
    EXPECT_THAT(of(1), ElementsAre(5u, 6u));
}

TEST_F(AttributionTest, WhatLivesOnAfterItsTaskGoesBackToTheOuterOne) {
    tree.seen(process(1));
    tree.claim(5, process(1));
    fork(2, 1);
    tree.claim(6, process(2));
    fork(3, 2);
    tree.on_exit(process(2), 99);
    tree.release(6, std::vector{process(2), process(3)});
    EXPECT_THAT(of(3), ElementsAre(5u));
    // The ended one has worked for a task: nobody else gets what it did.
    for (const auto& change : tree.claim(9, process(2))) EXPECT_NE(change.process.pid, 2u);
}

TEST_F(AttributionTest, NumbersAreReused) {
    tree.seen(process(1));
    tree.on_fork(process(2, 100), process(1), 0);
    tree.on_exit(process(2, 100), 150);
    EXPECT_EQ(tree.find(2, 150), process(2, 100));
    EXPECT_EQ(tree.find(2, 151), std::nullopt);
    tree.on_fork(process(2, 200), process(1), 0);
    EXPECT_EQ(tree.find(2, 0), process(2, 200));
    tree.claim(5, process(2, 200));
    EXPECT_THAT(tree.tasks(process(2, 100)), IsEmpty());
}

TEST_F(AttributionTest, TheForgottenLeaveTheirChildrenToTheirParent) {
    tree.seen(process(1));
    fork(2, 1);
    tree.claim(5, process(2));
    fork(3, 2);
    fork(4, 1);
    fork(5, 4);
    tree.on_exit(process(2), 10);
    tree.on_exit(process(4), 11);
    for (uint32_t pid = 10; pid < 30; ++pid) {
        fork(pid, 1);
        tree.on_exit(process(pid), pid);
    }
    EXPECT_LT(tree.size(), 15u);
    EXPECT_FALSE(tree.alive(process(2)));
    EXPECT_THAT(of(3), ElementsAre(5u));
    // 3 had its task from 2 and keeps it; 5 is its grandparent's.
    tree.claim(6, process(1));
    EXPECT_THAT(of(3), ElementsAre(5u));
    EXPECT_THAT(of(5), ElementsAre(6u));
}

}  // namespace
}  // namespace spoor
