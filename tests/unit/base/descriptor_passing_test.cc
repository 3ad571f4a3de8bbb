#include "base/descriptor_passing.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <vector>

namespace spoor {
namespace {

class DescriptorPassing : public ::testing::Test {
protected:
    void SetUp() override {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        ours.reset(ends[0]);
        theirs.reset(ends[1]);
        null.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }

    void send(size_t size, size_t descriptors) {
        const std::vector<char> bytes(size, 'x');
        const std::vector<int> copies(descriptors, null.get());
        ASSERT_EQ(send_with_descriptors(theirs.get(), bytes.data(), size, copies, 0),
                  static_cast<ssize_t>(size));
    }

    ReceivedPacket receive(size_t descriptors_max) {
        return receive_with_descriptors(ours.get(), room.data(), room.size(), descriptors_max, MSG_DONTWAIT);
    }

    static auto open_descriptors() {
        return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
    }

    UniqueFd ours, theirs, null;
    std::array<char, 8> room{};
};

TEST_F(DescriptorPassing, BytesAndDescriptorsArrive) {
    send(5, 2);
    const auto got = receive(2);
    EXPECT_EQ(got.size, 5);
    EXPECT_FALSE(got.cut);
    ASSERT_EQ(got.descriptors.size(), 2u);
    struct stat sent {};
    ASSERT_EQ(::fstat(null.get(), &sent), 0);
    for (const auto& descriptor : got.descriptors) {
        struct stat received {};
        ASSERT_EQ(::fstat(descriptor.get(), &received), 0);
        EXPECT_EQ(received.st_rdev, sent.st_rdev);
        EXPECT_EQ(::fcntl(descriptor.get(), F_GETFD), FD_CLOEXEC);
    }
}

TEST_F(DescriptorPassing, WhatDoesNotFitIsCutAndNothingLeaks) {
    const auto before = open_descriptors();
    send(9, 0);
    EXPECT_TRUE(receive(1).cut);
    for (size_t sent = 2; sent <= passed_descriptors_max; ++sent) {
        send(1, sent);
        const auto got = receive(1);
        EXPECT_TRUE(got.cut || got.descriptors.size() == sent);
        EXPECT_EQ(open_descriptors(), before + static_cast<ssize_t>(got.descriptors.size()));
    }
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(DescriptorPassing, NothingThereAndNobodyThere) {
    EXPECT_EQ(receive(1).size, -1);
    EXPECT_EQ(errno, EAGAIN);
    theirs.reset();
    EXPECT_EQ(receive(1).size, 0);
}

TEST_F(DescriptorPassing, TooManyAreNotSent) {
    const std::vector<int> many(passed_descriptors_max + 1, null.get());
    EXPECT_EQ(send_with_descriptors(theirs.get(), "x", 1, many, 0), -1);
    EXPECT_EQ(errno, EINVAL);
}

}  // namespace
}  // namespace spoor
