// spoorctl's command line.
#pragma once

namespace spoor::ctl {

// Parses and runs; returns the exit code.
int run_app(int argc, const char* const* argv);

}  // namespace spoor::ctl
