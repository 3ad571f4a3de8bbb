// NODE_OPTIONS="--require /path/to/preload.js": the whole adaptor, for every node process below.
//
// Most of those are no nx, so what stands here has to cost next to nothing: one stat(2), and a
// comparison of names for each module that is loaded later. The rest is read when a module of nx
// passes by.
"use strict";

try {
    require("./lib/activate.js").activate();
} catch (error) {
    if (process.env.SPOOR_DEBUG === "1") process.stderr.write(`spoor: the adaptor is off: ${error.stack}\n`);
}
