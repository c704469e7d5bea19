"use strict";
exports.dist = require("node:url").pathToFileURL(require("node:path").join(__dirname, "../")).href;
