// What nx tells about a task, as the fields of a signal.
"use strict";

const { literal } = require("./signals.js");

function strings(list) {
    return Array.isArray(list) ? list.filter((entry) => typeof entry === "string" && entry !== "") : [];
}

// nx's own name for what runs here: the id of the task that started us, if one did.
function taskOfEnvironment(environment) {
    const project = environment.NX_TASK_TARGET_PROJECT;
    const target = environment.NX_TASK_TARGET_TARGET;
    if (!project || !target) return undefined;
    const configuration = environment.NX_TASK_TARGET_CONFIGURATION;
    return `${project}:${target}${configuration ? `:${configuration}` : ""}`;
}

// `inputs` as the task hasher resolved them: names of files, which are no patterns.
function resolvedInputs(inputs) {
    return [...strings(inputs?.files), ...strings(inputs?.depOutputs)].map(literal);
}

// The patterns of a task's hash details, for where the resolved files are not to be had. Keys are
// `project:glob,glob`, `glob:folder` for the outputs of dependencies, `{workspaceRoot}/…`, in nx 22
// `workspace:[glob,glob]`, and names of what is no file.
function patternsOfHash(details) {
    const patterns = new Set();
    const add = (text, base = "") => {
        for (const pattern of splitGlobs(text)) {
            const [bang, rest] = pattern.startsWith("!") ? ["!", pattern.slice(1)] : ["", pattern];
            patterns.add(bang + base + rest.replace(/^\{workspaceRoot\}\//, ""));
        }
    };
    for (const key of Object.keys(details?.nodes ?? {})) {
        if (/^(?:env|runtime|npm|cwd|AllExternalDependencies)\b/.test(key)) continue;
        if (/:(?:ProjectConfiguration|TsConfig)$/.test(key)) continue;
        const list = /^workspace:\[(.*)\]$/.exec(key);
        if (list) add(list[1]);
        else if (key.startsWith("{workspaceRoot}/")) add(key);
        else {
            const colon = key.lastIndexOf(":");
            if (colon < 0) continue;
            const [before, after] = [key.slice(0, colon), key.slice(colon + 1)];
            // Only a glob of dependencies' outputs has wildcards before the colon.
            if (/[*?{[]/.test(before)) add(before, `${after}/`);
            else if (/[/*{.]/.test(after)) add(after);
        }
    }
    return [...patterns];
}

// Commas within braces belong to the glob.
function splitGlobs(text) {
    const result = [];
    let depth = 0;
    let start = 0;
    for (let i = 0; i <= text.length; i++) {
        const character = text[i];
        if (character === "{") depth++;
        else if (character === "}") depth--;
        else if (i === text.length || (character === "," && depth <= 0)) {
            if (i > start) result.push(text.slice(start, i));
            start = i + 1;
        }
    }
    return result;
}

// The outputs of all tasks that `taskId` waits for, the far ones too.
function dependenciesOutputs(taskId, taskGraph) {
    const outputs = new Set();
    const seen = new Set([taskId]);
    const queue = [taskId];
    // Edges are ids up to nx 23 and objects in 24.
    const next = (id) =>
        [...(taskGraph.dependencies?.[id] ?? []), ...(taskGraph.continuousDependencies?.[id] ?? [])].map((edge) =>
            typeof edge === "string" ? edge : edge?.id,
        );
    for (let at = 0; at < queue.length; at++) {
        for (const id of next(queue[at])) {
            if (!id || seen.has(id)) continue;
            seen.add(id);
            queue.push(id);
            for (const output of strings(taskGraph.tasks?.[id]?.outputs)) outputs.add(output);
        }
    }
    return [...outputs];
}

// {name: root} of a workspace's projects.
function projectRoots(projectGraph) {
    const roots = {};
    for (const [name, node] of Object.entries(projectGraph?.nodes ?? {})) {
        if (typeof node?.data?.root === "string") roots[name] = node.data.root || ".";
    }
    return roots;
}

// The fields of a task's `start`. `known`: {inputs, dependenciesOutputs, projects, workspaceRoot,
// parent}, each as far as it is known.
function startOf(task, known) {
    const fields = {};
    if (typeof known.workspaceRoot === "string" && known.workspaceRoot.startsWith("/")) {
        fields.workspaceRoot = known.workspaceRoot;
    }
    if (typeof task.projectRoot === "string") fields.projectRoot = task.projectRoot || ".";
    if (task.target?.project) fields.project = task.target.project;
    // What the workspace takes out of nx's own reports is taken out of ours.
    if (task.ultracache?.mode === "off") fields.mode = "off";
    if (known.parent && known.parent !== task.id) fields.parent = known.parent;
    const declared = { outputs: strings(task.outputs) };
    const inputs = known.inputs ?? patternsOfHash(task.hashDetails);
    if (known.inputs || inputs.length > 0) declared.inputs = inputs;
    if (known.dependenciesOutputs?.length > 0) declared.dependenciesOutputs = known.dependenciesOutputs;
    fields.declared = declared;
    if (known.projects && Object.keys(known.projects).length > 0) fields.projects = known.projects;
    return fields;
}

// The fields of a task's `end`.
function endOf(result) {
    const fields = {};
    if (typeof result.status === "string" && result.status !== "") fields.status = result.status;
    if (Number.isInteger(result.code)) fields.code = result.code;
    return fields;
}

module.exports = {
    dependenciesOutputs,
    endOf,
    patternsOfHash,
    projectRoots,
    resolvedInputs,
    startOf,
    taskOfEnvironment,
};
