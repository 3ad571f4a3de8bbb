#include <csignal>
#include <exception>

#include "shim/ctl/app.h"
#include "shim/ctl/commands.h"

int main(int argc, char** argv) {
    // A pager that was closed is a failed write, not a death.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return spoor::ctl::run_app(argc, argv);
    } catch (const std::exception& problem) {  // out of memory, or a fault of CLI11's set-up
        spoor::ctl::complain(problem.what());
        return spoor::ctl::exit_tooling;
    }
}
