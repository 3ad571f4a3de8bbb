// What goes wrong in the adaptor is said once for each kind, and only to those who asked for it:
// a build's output is not ours.
"use strict";

const said = new Set();

function once(what, error) {
    if (process.env.SPOOR_DEBUG !== "1" || said.has(what)) return;
    said.add(what);
    try {
        process.stderr.write(`spoor: ${what}${error ? `: ${error.message || error}` : ""}\n`);
    } catch {
        // Nobody to tell.
    }
}

// A function that does what it can and never throws.
function guarded(what, work) {
    return function (...args) {
        try {
            return work.apply(this, args);
        } catch (error) {
            once(what, error);
            return undefined;
        }
    };
}

module.exports = { once, guarded };
