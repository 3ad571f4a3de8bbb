#include "shim/deliver/gzip.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>

namespace spoor {
namespace {

constexpr int gzip_window = 15 + 16;  // 16: a gzip head, not zlib's

class Deflater {
public:
    Deflater() {
        ready_ = ::deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_window, 8,
                                Z_DEFAULT_STRATEGY) == Z_OK;
    }
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;
    ~Deflater() {
        if (ready_) ::deflateEnd(&stream_);
    }
    [[nodiscard]] bool ready() const { return ready_; }

    void add(const char* data, size_t size, bool last, std::string& out) {
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data));
        stream_.avail_in = static_cast<uInt>(size);
        std::array<char, 64 * 1024> buffer;
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
            stream_.avail_out = static_cast<uInt>(buffer.size());
            ::deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
            out.append(buffer.data(), buffer.size() - stream_.avail_out);
        } while (stream_.avail_out == 0);
    }

private:
    z_stream stream_{};
    bool ready_ = false;
};

}  // namespace

Result<std::string> gzip_file(int fd, uint64_t at, uint64_t bytes) {
    Deflater deflater;
    if (!deflater.ready()) return Error{ENOMEM, "no memory to compress in"};
    std::string out;
    std::array<char, 64 * 1024> buffer;
    uint64_t done = 0;
    while (done < bytes) {
        const ssize_t got = ::pread(fd, buffer.data(), std::min<uint64_t>(buffer.size(), bytes - done),
                                    static_cast<off_t>(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error("read the spooled item");
        if (got == 0) return Error{EIO, "the spooled item is shorter than it was"};
        deflater.add(buffer.data(), static_cast<size_t>(got), false, out);
        done += static_cast<uint64_t>(got);
    }
    deflater.add(nullptr, 0, true, out);
    return out;
}

}  // namespace spoor
