// Writes task signals: one JSON object a file in the agent's directory, put there by rename, so
// that the recorder never sees half of one. signal/schema/task.schema.json describes them.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");

const { once } = require("./note.js");

// The recorder refuses files past 16 MiB and 400,000 patterns. Lists longer than this are told in
// several files.
const LIST_ENTRIES = 50_000;
const LIST_CHARACTERS = 2_000_000;
const PATTERN_BYTES = 8192;
const TASK_ID_BYTES = 1024;

// The pattern that matches a path and nothing else, whatever bytes are in its name.
function literal(file) {
    return file.replace(/[\\*?[\]{}()]/g, "\\$&").replace(/^[!#]/, "\\$&");
}

function parts(list) {
    const result = [];
    let part = [];
    let characters = 0;
    for (const entry of list) {
        if (Buffer.byteLength(entry) > PATTERN_BYTES) {
            once("a pattern is too long to be told");
            continue;
        }
        if (part.length === LIST_ENTRIES || (part.length > 0 && characters + entry.length > LIST_CHARACTERS)) {
            result.push(part);
            part = [];
            characters = 0;
        }
        part.push(entry);
        characters += entry.length;
    }
    if (part.length > 0) result.push(part);
    return result;
}

// A second number in /proc's view of us says that this process counts pids in a namespace below that
// of the container. One that has a /proc of its own as well cannot see it, and has to be told.
function nestedPidNamespace() {
    try {
        if (process.env.SPOOR_NX_PID_NAMESPACE === "1") return fs.statSync("/proc/self/ns/pid").ino;
        const line = /^NSpid:\s*(.*)$/m.exec(fs.readFileSync("/proc/self/status", "utf8"));
        if (!line || line[1].trim().split(/\s+/).length < 2) return undefined;
        return fs.statSync("/proc/self/ns/pid").ino;
    } catch {
        return undefined;
    }
}

class Signals {
    // `directory` exists; when it goes away, signals go nowhere.
    constructor(directory) {
        this.directory = directory;
        this.count = 0;
        this.unique = `${process.pid}-${crypto.randomBytes(4).toString("hex")}`;
        this.pidNamespace = undefined;
        this.waiting = true;
    }

    // Returns the file's path, or nothing if it could not be written.
    _write(signal) {
        const name = `${process.hrtime.bigint()}-${this.unique}-${this.count++}.json`;
        const target = path.join(this.directory, name);
        const temporary = path.join(this.directory, `.${name}`);
        let made = false;
        try {
            const fd = fs.openSync(temporary, "wx", 0o644);
            made = true;
            try {
                // The recorder may be another user's, and the task's umask is none of its business.
                fs.fchmodSync(fd, 0o644);
                fs.writeFileSync(fd, JSON.stringify(signal));
            } finally {
                fs.closeSync(fd);
            }
            fs.renameSync(temporary, target);
            return target;
        } catch (error) {
            once("a signal could not be written", error);
            if (made) fs.rmSync(temporary, { force: true });
            return undefined;
        }
    }

    // `fields`: further keys of the signal. Lists in `inputs`, `outputs` and `declared` may have any
    // length. Returns the paths of the files written, to be waited for.
    send(event, taskId, fields = {}) {
        if (typeof taskId !== "string" || taskId === "" || taskId === "-" || Buffer.byteLength(taskId) > TASK_ID_BYTES) {
            once(`a task cannot be named ${JSON.stringify(taskId)}`);
            return [];
        }
        const head = { schema: "spoor.task/1", event, taskId };
        const signals = [];
        if (event === "inputs" || event === "outputs") {
            for (const part of parts(fields[event])) signals.push({ ...head, ...fields, [event]: part });
        } else {
            const signal = { ...head, ...fields };
            signals.push(signal);
            if (fields.declared) {
                signal.declared = {};
                for (const [key, list] of Object.entries(fields.declared)) {
                    const [first = [], ...rest] = parts(list);
                    signal.declared[key] = first;
                    for (const part of rest) {
                        signals.push(
                            key === "dependenciesOutputs"
                                ? { ...head, declared: { [key]: part } }
                                : { schema: head.schema, event: key, taskId, [key]: part },
                        );
                    }
                }
            }
        }
        if (fields.pid !== undefined) {
            this.pidNamespace ??= nestedPidNamespace() ?? 0;
            if (this.pidNamespace) signals[0].pidNamespace = this.pidNamespace;
        }
        return signals.map((signal) => this._write(signal)).filter(Boolean);
    }

    // Is there somebody who takes signals in? Without, there is nothing to wait for.
    _isRecorded() {
        try {
            const session = JSON.parse(fs.readFileSync(path.join(this.directory, "../trace/session.json"), "utf8"));
            return session.state === "tracing" || session.state === "degraded";
        } catch {
            return false;
        }
    }

    // Resolves when the recorder has taken the files in (it removes them), or after `limitMs`: then
    // true is what it was not, and nobody waits again.
    async acknowledged(files, limitMs) {
        if (!this.waiting || files.length === 0 || !(limitMs > 0)) return false;
        if (!this._isRecorded()) return (this.waiting = false);
        const deadline = performance.now() + limitMs;
        for (let pause = 1; ; pause = Math.min(pause * 2, 20)) {
            files = files.filter((file) => fs.existsSync(file));
            if (files.length === 0) return true;
            if (performance.now() >= deadline) {
                once(`the recorder has not answered within ${limitMs} ms; going on without`);
                return (this.waiting = false);
            }
            await new Promise((resolve) => setTimeout(resolve, pause));
        }
    }
}

module.exports = { Signals, literal };
