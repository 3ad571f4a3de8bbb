// Lets readers have a text: over HTTP on a unix socket and on loopback TCP, and in a file that is
// replaced now and then. One thread, one reader at a time; a reader has two seconds.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "config/config.h"

namespace spoor::broker {

class MetricsServer {
public:
    using Text = std::function<std::string()>;

    MetricsServer() = default;
    // Ends the thread, removes the socket's name.
    ~MetricsServer();
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;

    Status bind(const Config::Metrics& options);
    // `text` is called on the thread.
    Status start(Text text);
    [[nodiscard]] bool wanted() const { return !listeners_.empty() || !options_.textfile.empty(); }

private:
    Status bind_socket();
    Status bind_loopback();
    void run();
    void answer(UniqueFd client);
    void write_textfile();

    Config::Metrics options_;
    std::vector<UniqueFd> listeners_;
    UniqueFd end_;  // eventfd
    UniqueFd textfile_dir_;
    bool textfile_failed_ = false;
    Text text_;
    std::thread thread_;
};

}  // namespace spoor::broker
