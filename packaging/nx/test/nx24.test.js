"use strict";

require("./scenarios.js").scenarios(24);
