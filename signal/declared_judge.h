// The judge of real tasks: the patterns of signal/declaration/ in Nx's dialect, with the exclusions of the
// workspace, of the operator, and the default ones.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "signal/declaration/exclusions.h"
#include "signal/task_judge.h"

namespace spoor {

struct DeclaredJudgeOptions {
    std::vector<ExclusionRule> operators;  // spoor.yaml's
    bool default_exclusions = true;
    // Opens the task's workspace, to read its exclusion files afresh for each task: a file that is made later
    // counts. None: they are not read.
    std::function<Result<UniqueFd>(const std::string& workspace_root)> open_workspace;
};

[[nodiscard]] JudgeMaker declared_judge(DeclaredJudgeOptions options);

}  // namespace spoor
