// Decides whether this process may be one that runs nx tasks, and hooks the load of nx's modules.
"use strict";

const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");

// The modules that lib/hooks.js knows. Looked up for every module of every program, so by their last
// names first.
const OF_INTEREST = new Set([
    "life-cycle.js",
    "process-metrics-service.js",
    "task-io-service.js",
    "task-orchestrator.js",
    "tasks-execution-hooks.js",
]);
const FOLDERS = /[\\/](?:tasks-runner|project-graph[\\/]plugins)[\\/][^\\/]*$/;

function isOfInterest(filename) {
    return OF_INTEREST.has(filename.slice(filename.lastIndexOf(path.sep) + 1)) && FOLDERS.test(filename);
}

// Processes of nx that run no task: they hash and make graphs for others, and hooks there would
// collect what nobody reads.
const HELPERS = /[\\/](?:daemon[\\/]server[\\/]start|plugin-worker)\.js$/;

function agentDirectory() {
    return process.env.SPOOR_AGENT_DIR || "/run/spoor/agent";
}

function isDirectory(name) {
    return fs.statSync(name, { throwIfNoEntry: false })?.isDirectory() === true;
}

// A name in place of a path is looked up from the working directory of every process, and node
// refuses to start where it is not found. Only this process had to find it.
function pinPath() {
    const options = process.env.NODE_OPTIONS;
    if (!options || !options.includes("@spoor/nx/preload")) return;
    const file = require.resolve("../preload.js");
    const quoted = /[\s"\\]/.test(file) ? `"${file.replace(/["\\]/g, "\\$&")}"` : file;
    // A path that ends like the name is one already.
    process.env.NODE_OPTIONS = options.replace(
        /((?:^|\s)(?:--require|-r)(?:=|\s+))("?)@spoor\/nx\/preload(?:\.js)?\2(?=\s|$)/g,
        (_, option) => option + quoted,
    );
}

// True if the hooks are in place. Once a process is enough; a second call changes nothing.
let active = false;
function activate() {
    if (active) return true;
    pinPath();
    if (HELPERS.test(process.argv[1] || "")) return false;
    const directory = agentDirectory();
    if (!isDirectory(directory)) return false;
    active = true;

    const load = Module._extensions[".js"];
    Module._extensions[".js"] = function (module, filename) {
        const result = load.apply(this, arguments);
        if (isOfInterest(filename)) hooked(module, filename, directory);
        return result;
    };
    // As a plugin we come when nx is there already.
    for (const filename of Object.keys(require.cache)) {
        if (isOfInterest(filename) && require.cache[filename].loaded) {
            hooked(require.cache[filename], filename, directory);
        }
    }
    return true;
}

function hooked(module, filename, directory) {
    const { once } = require("./note.js");
    try {
        require("./hooks.js").hook(module.exports, filename, directory);
    } catch (error) {
        once(`${filename} is not as expected`, error);
    }
}

module.exports = { activate, agentDirectory, isDirectory };
