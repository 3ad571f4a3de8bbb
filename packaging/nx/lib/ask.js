// Declarations from `nx show target`, for tasks that run where the adaptor is not.
"use strict";

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const { literal } = require("./signals.js");

// The folder at or above `from` that has an nx.json; nothing, if there is none.
function workspaceRoot(from) {
    for (let folder = path.resolve(from); ; folder = path.dirname(folder)) {
        if (fs.existsSync(path.join(folder, "nx.json"))) return folder;
        if (folder === path.dirname(folder)) return undefined;
    }
}

function nxProgram(root) {
    const manifest = require.resolve("nx/package.json", { paths: [root] });
    return path.join(path.dirname(manifest), require(manifest).bin.nx);
}

// What `nx ARGUMENTS --json` prints, parsed. Throws what nx says when it fails.
function ask(root, ...args) {
    let text;
    try {
        text = execFileSync(process.execPath, [nxProgram(root), ...args, "--json"], {
            cwd: root,
            encoding: "utf8",
            maxBuffer: 512 * 1024 * 1024,
            stdio: ["ignore", "pipe", "pipe"],
            // Asking runs no task and is to wake no adaptor.
            env: { ...process.env, NODE_OPTIONS: "", NX_TUI: "false", NO_COLOR: "1" },
        });
    } catch (error) {
        const said = `${error.stderr ?? ""}${error.stdout ?? ""}`.trim();
        throw new Error(`nx ${args.join(" ")}: ${said || error.message}`);
    }
    // Warnings of nx may stand before its answer.
    const begin = text.search(/^[{[]/m);
    try {
        return JSON.parse(text.slice(Math.max(begin, 0)));
    } catch {
        throw new Error(`nx ${args.join(" ")} answered ${JSON.stringify(text.slice(0, 200))}`);
    }
}

// {taskId, start}: the fields of the task's start signal. `name` is PROJECT:TARGET[:CONFIGURATION].
function declarationsOf(name, from) {
    const root = workspaceRoot(from);
    if (!root) throw new Error(`there is no nx.json in ${from} or above`);
    const inputs = ask(root, "show", "target", "inputs", name);
    const outputs = ask(root, "show", "target", "outputs", name);
    const project = ask(root, "show", "project", inputs.project);
    const taskId = [inputs.project, inputs.target, inputs.configuration].filter(Boolean).join(":");
    return {
        taskId,
        start: {
            workspaceRoot: root,
            projectRoot: project.root || ".",
            project: inputs.project,
            declared: {
                inputs: [...(inputs.files ?? []), ...(inputs.depOutputs ?? [])].map(literal),
                outputs: outputs.outputPaths ?? [],
            },
        },
    };
}

module.exports = { declarationsOf };
