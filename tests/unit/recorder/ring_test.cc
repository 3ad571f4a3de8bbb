#include "shim/recorder/ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <thread>

#include "tests/unit/recorder/fake_ring.h"

namespace spoor {
namespace {

using test::FakeRing;

RingReader reader_of(FakeRing& ring) {
    return RingReader(ring.consumer(), ring.producer(), ring.data(), ring.size());
}

std::optional<std::string> next_text(RingReader& reader) {
    auto record = reader.next();
    if (!record) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(record->data()), record->size());
}

TEST(Ring, EmptyRingHasNothing) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(reader.fill(), 0u);
}

TEST(Ring, RecordsComeInOrderAndTheirSpaceIsGivenBack) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    ASSERT_TRUE(ring.put("one"));
    ASSERT_TRUE(ring.put(""));
    ASSERT_TRUE(ring.put("third, with more than eight bytes"));
    EXPECT_EQ(reader.fill(), 16u + 8u + 48u);
    EXPECT_EQ(next_text(reader), "one");
    EXPECT_EQ(*ring.consumer(), 0u) << "a record in use must not be overwritten";
    EXPECT_EQ(next_text(reader), "");
    EXPECT_EQ(*ring.consumer(), 16u);
    EXPECT_EQ(next_text(reader), "third, with more than eight bytes");
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(*ring.consumer(), *ring.producer());
    EXPECT_EQ(reader.fill(), 0u);
}

TEST(Ring, RecordsAcrossTheEndAreWhole) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    std::mt19937 random(1);
    for (int i = 0; i < 20'000; ++i) {
        std::string text(random() % 900, static_cast<char>('a' + i % 26));
        ASSERT_TRUE(ring.put(text));
        ASSERT_EQ(next_text(reader), text);
    }
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(reader.corruptions(), 0u);
}

TEST(Ring, BusyRecordStopsAndGoesOnWhenDone) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    ASSERT_TRUE(ring.put("slow", FakeRing::busy));
    ASSERT_TRUE(ring.put("behind"));
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.next());
    ring.set_length(0, 4);
    EXPECT_EQ(next_text(reader), "slow");
    EXPECT_EQ(next_text(reader), "behind");
}

TEST(Ring, PositionStandsAtTheBusyRecordSoThatTheKernelWakesUs) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    ASSERT_TRUE(ring.put("done"));
    ASSERT_TRUE(ring.put("slow", FakeRing::busy));
    EXPECT_EQ(next_text(reader), "done");
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(*ring.consumer(), 16u);
}

TEST(Ring, DiscardedRecordsArePassedOver) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    ASSERT_TRUE(ring.put("gone", FakeRing::discard));
    ASSERT_TRUE(ring.put("kept"));
    ASSERT_TRUE(ring.put("gone", FakeRing::discard));
    EXPECT_EQ(next_text(reader), "kept");
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(*ring.consumer(), *ring.producer());
}

TEST(Ring, FullRingReportsItsFill) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    while (ring.put(std::string(120, 'x'))) {
    }
    EXPECT_EQ(reader.fill(), 4096u);
    EXPECT_EQ(reader.size(), 4096u);
}

TEST(Ring, LengthBeyondTheProducerIsSkippedOnce) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    ASSERT_TRUE(ring.put("victim"));
    ASSERT_TRUE(ring.put("lost with it"));
    ring.set_length(0, 0x3fffffff);
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(reader.corruptions(), 1u);
    ASSERT_TRUE(ring.put("after"));
    EXPECT_EQ(next_text(reader), "after");
    EXPECT_EQ(reader.corruptions(), 1u);
}

TEST(Ring, ProducerFurtherThanTheSizeIsSkipped) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    *ring.producer() = 1u << 20;
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(reader.corruptions(), 1u);
    EXPECT_LE(reader.fill(), 4096u);
}

TEST(Ring, ProducerBehindTheConsumerIsSkipped) {
    FakeRing ring(4096);
    *ring.consumer() = 8192;
    auto reader = reader_of(ring);
    *ring.producer() = 4096;
    EXPECT_LE(reader.fill(), 4096u);
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(reader.corruptions(), 1u);
}

TEST(Ring, UnalignedProducerEndsTheReaderForGood) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    *ring.producer() = 13;
    EXPECT_FALSE(reader.next());
    *ring.producer() = 16;
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(reader.corruptions(), 1u);
}

TEST(Ring, RandomBytesNeitherCrashNorLoop) {
    std::mt19937_64 random(2);
    for (int round = 0; round < 2000; ++round) {
        FakeRing ring(4096);
        for (size_t i = 0; i < ring.size(); i += 8) {
            uint64_t word = random();
            // Small lengths too, so that some rounds walk a good way.
            if (random() % 2) word &= 0xc00000ff;
            std::memcpy(ring.data() + i, &word, 8);
            std::memcpy(ring.data() + ring.size() + i, &word, 8);
        }
        *ring.producer() = random() % 3 == 0 ? random() : random() % 4097 & ~uint64_t{7};
        auto reader = reader_of(ring);
        size_t records = 0;
        while (auto record = reader.next()) {
            ASSERT_GE(record->data(), ring.data());
            ASSERT_LE(record->data() + record->size(), ring.data() + 2 * ring.size());
            ASSERT_LE(++records, ring.size() / 8);
        }
    }
}

TEST(Ring, ProducerInAnotherThreadLosesNothing) {
    FakeRing ring(4096);
    auto reader = reader_of(ring);
    constexpr int count = 100'000;
    std::thread producer([&] {
        for (int i = 0; i < count;)
            if (ring.put(std::to_string(i)))
                ++i;
            else
                std::this_thread::yield();
    });
    for (int expected = 0; expected < count;) {
        auto text = next_text(reader);
        if (!text) {
            std::this_thread::yield();
            continue;
        }
        if (*text != std::to_string(expected)) {
            ADD_FAILURE() << "got " << *text << " for " << expected;
            std::_Exit(1);
        }
        ++expected;
    }
    producer.join();
    EXPECT_EQ(reader.corruptions(), 0u);
}

TEST(RingMap, MapsTheKernelsLayout) {
    FakeRing ring(8192);
    auto mapped = Ring::map(UniqueFd(::fcntl(ring.fd(), F_DUPFD_CLOEXEC, 0)), ring.size());
    ASSERT_TRUE(mapped) << mapped.error().message;
    Ring moved = std::move(*mapped);
    ASSERT_TRUE(ring.put("through the mapping"));
    EXPECT_EQ(next_text(moved.reader()), "through the mapping");
    EXPECT_FALSE(moved.reader().next());
    EXPECT_EQ(*ring.consumer(), *ring.producer());
}

TEST(RingMap, RefusesImpossibleSizes) {
    for (size_t size : {size_t{0}, size_t{100}, size_t{4097}, size_t{1} << 40}) {
        FakeRing ring(4096);
        EXPECT_FALSE(Ring::map(UniqueFd(::fcntl(ring.fd(), F_DUPFD_CLOEXEC, 0)), size)) << size;
    }
}

TEST(RingMap, RefusesWhatCannotBeMapped) {
    auto mapped = Ring::map(UniqueFd(), 4096);
    ASSERT_FALSE(mapped);
    EXPECT_EQ(mapped.error().code, EBADF);
}

}  // namespace
}  // namespace spoor
