#!/usr/bin/env node
// Starts the command line, or says why it can't. This file must parse on old Nodes: keep its syntax plain.
var version = process.versions.node.split(".");
var major = Number(version[0]);
var minor = Number(version[1]);

if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    "kinglet: NODE_TOO_OLD this is Node " +
      process.versions.node +
      " (" +
      process.execPath +
      "); " +
      "Kinglet needs Node 22.18 or newer.\n" +
      "    Install a newer one from https://nodejs.org, or try: npx -p node@24 -p kinglet kinglet " +
      process.argv.slice(2).join(" "),
  );
  process.exit(1);
} else {
  // A checkout that wasn't built has the sources alone; Node strips their types.
  import("node:fs")
    .then((fs) => {
      var built = new URL("../dist/cli.js", import.meta.url);
      return import((fs.existsSync(built) ? built : new URL("../src/cli/main.ts", import.meta.url)).href);
    })
    .catch((error) => {
      console.error(error);
      process.exit(1);
    });
}
