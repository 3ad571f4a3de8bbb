// Where nx is listened to. Each hook adds to what nx does and takes nothing away; a module that
// looks otherwise than expected is left alone.
//
//   task-io-service          resolved inputs, pids, stored outputs (its own subscriptions)
//   process-metrics-service  registerBatch: one worker for many tasks
//   life-cycle               startTasks (awaited before anything is spawned), endTasks with status
//   task-orchestrator        the graphs: outputs of dependencies, roots of projects, skipped tasks
//   tasks-execution-hooks    tells our plugin that there is nothing left for it to do
"use strict";

const path = require("node:path");

const declared = require("./declared.js");
const { guarded, once } = require("./note.js");
const { Signals, literal } = require("./signals.js");

const DEFAULT_WAIT_MS = 2000;
const RUNS_KEPT = 32;

class Tasks {
    constructor(directory) {
        this.signals = new Signals(directory);
        this.parent = declared.taskOfEnvironment(process.env);
        this.runs = []; // {taskGraph, projects} of the last orchestrators, the newest first
        this.inputs = new Map(); // task id: resolved inputs, until the task starts
        this.open = new Set(); // ids of tasks that have started and not ended
        this.batched = new Set(); // those of them that run in a batch
        this.workspaceRoot = () => undefined;
        const wait = Number(process.env.SPOOR_NX_WAIT_MS ?? DEFAULT_WAIT_MS);
        this.waitMs = Number.isFinite(wait) ? wait : DEFAULT_WAIT_MS;
        // What is left when nx ends otherwise than by its life cycle.
        process.on("exit", guarded("the last tasks could not be ended", () => this.endAll()));
    }

    // An agent of nx makes an orchestrator for each task that it is given, and never says when one
    // is done with.
    begin(taskGraph, projectGraph) {
        if (this.runs[0]?.taskGraph === taskGraph) return;
        this.runs = [{ taskGraph, projects: declared.projectRoots(projectGraph) }, ...this.runs.slice(0, RUNS_KEPT - 1)];
    }

    runOf(taskId) {
        return this.runs.find((run) => run.taskGraph.tasks?.[taskId]);
    }

    // Returns the files to wait for.
    start(task) {
        if (this.open.has(task.id)) return [];
        this.open.add(task.id);
        const run = this.runOf(task.id);
        const inputs = this.inputs.get(task.id);
        this.inputs.delete(task.id);
        return this.signals.send(
            "start",
            task.id,
            declared.startOf(task, {
                workspaceRoot: this.workspaceRoot(),
                parent: this.parent,
                inputs: inputs && declared.resolvedInputs(inputs),
                dependenciesOutputs: run && declared.dependenciesOutputs(task.id, run.taskGraph),
                projects: run?.projects,
            }),
        );
    }

    end(taskId, result) {
        if (!this.open.delete(taskId)) return;
        this.batched.delete(taskId);
        this.inputs.delete(taskId);
        this.signals.send("end", taskId, declared.endOf(result));
    }

    endAll() {
        for (const taskId of [...this.open]) this.end(taskId, { status: "stopped" });
    }

    pid(taskId, pid) {
        if (!Number.isInteger(pid) || pid < 1) return;
        // run-commands makes up ids when it is called by another program, and a forked executor
        // tells of its own children.
        if (!this.open.has(taskId) && !this.runOf(taskId) && taskId !== this.parent) return;
        this.signals.send("pid", taskId, { pid });
    }

    // Usually before the start, which then carries them: a task that is never started needs none.
    // Members of a batch that read each other's outputs are hashed once more at their end.
    resolved(taskId, inputs) {
        if (!this.open.has(taskId)) {
            this.inputs.set(taskId, inputs);
            return;
        }
        const list = declared.resolvedInputs(inputs);
        if (list.length > 0) this.signals.send("inputs", taskId, { inputs: list });
    }

    stored(taskId, outputs) {
        if (!this.open.has(taskId) || !Array.isArray(outputs) || outputs.length === 0) return;
        this.signals.send("outputs", taskId, { outputs: outputs.map((output) => literal(output)) });
    }

    batch(taskIds, pid) {
        for (const taskId of taskIds) {
            this.pid(taskId, pid);
            this.batched.add(taskId);
        }
    }

    // The members of a batch end together; this is what each has come to when it has.
    printed(task, status) {
        if (!this.batched.delete(task?.id) || typeof status !== "string") return;
        this.signals.send("status", task.id, { status });
    }

    skipped(results) {
        for (const [taskId, status] of Object.entries(results ?? {})) {
            if (status === "skipped" && !this.open.has(taskId)) this.signals.send("end", taskId, { status });
        }
    }
}

let tasks;

// Calls `before` with the arguments of owner[name], then the original; `after` gets the result of
// the original, which may be a promise, and is waited for if it gives one itself.
function wrap(owner, name, { before, after }) {
    const original = owner?.[name];
    if (typeof original !== "function") {
        once(`nx has no ${name} to listen to`);
        return;
    }
    const tell = before && guarded(`${name} could not be told`, before);
    const follow = after && guarded(`${name} could not be followed`, after);
    owner[name] = function (...args) {
        const told = tell?.apply(this, args);
        const result = original.apply(this, args);
        if (!follow) return result;
        if (typeof result?.then !== "function") {
            follow.call(this, result, told);
            return result;
        }
        return result.then(async (value) => {
            try {
                await follow.call(this, value, told);
            } catch (error) {
                once(`${name} could not be followed`, error);
            }
            return value;
        });
    };
}

const hooks = {
    "task-io-service"(exports) {
        const service = exports.getTaskIOService();
        service.subscribeToTaskPids?.(guarded("a pid could not be told", ({ taskId, pid }) => tasks.pid(taskId, pid)));
        service.subscribeToTaskOutputs?.(
            guarded("outputs could not be told", ({ taskId, outputs }) => tasks.stored(taskId, outputs)),
        );
        // Has nx collect every input's name while it hashes; a workspace with millions of them may
        // do without.
        if (process.env.SPOOR_NX_INPUTS !== "globs") {
            service.subscribeToTaskInputs?.(
                guarded("inputs could not be told", ({ taskId, inputs }) => tasks.resolved(taskId, inputs)),
            );
        }
    },

    // The service is nx's to make: its making starts a thread.
    "process-metrics-service"(exports) {
        const known = new WeakSet();
        wrap(exports, "getProcessMetricsService", {
            after(service) {
                if (!service || known.has(service)) return;
                known.add(service);
                wrap(service, "registerBatch", { before: (_, taskIds, pid) => tasks.batch(taskIds, pid) });
            },
        });
    },

    "life-cycle"(exports) {
        const prototype = exports.CompositeLifeCycle?.prototype;
        wrap(prototype, "startTasks", {
            before: (started) => started.flatMap((task) => tasks.start(task)),
            after: (_, files) => files && tasks.signals.acknowledged(files, tasks.waitMs),
        });
        wrap(prototype, "endTasks", { before: (ended) => ended.forEach((result) => tasks.end(result.task.id, result)) });
        wrap(prototype, "printTaskTerminalOutput", { before: (task, status) => tasks.printed(task, status) });
    },

    "task-orchestrator"(exports) {
        const prototype = exports.TaskOrchestrator?.prototype;
        wrap(prototype, "init", {
            before() {
                tasks.begin(this.taskGraph, this.projectGraph);
            },
        });
        wrap(prototype, "run", { after: (results) => tasks.skipped(results) });
    },

    "tasks-execution-hooks"(exports) {
        wrap(exports, "runPostTasksExecution", {
            before(context) {
                if (context) context.spoorHasToldAll = true;
            },
        });
    },
};

// `exports` of the module `filename` of nx, which has just been loaded.
function hook(exports, filename, directory) {
    const name = path.basename(filename, ".js");
    tasks ??= new Tasks(directory);
    if (path.basename(path.dirname(filename)) === "tasks-runner") {
        const rootModule = path.join(path.dirname(filename), "../utils/workspace-root.js");
        tasks.workspaceRoot = () => require.cache[rootModule]?.exports.workspaceRoot;
    }
    hooks[name](exports);
}

module.exports = { hook };
