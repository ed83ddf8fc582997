// Checks what would be published: packs the package, lints the tarball (publint, are-the-types-wrong), looks at its
// files and its size, and runs it in a folder where it was unpacked.
// Usage: node scripts/with-node.mjs scripts/check-package.mjs
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const MAX_PACKED_BYTES = 1024 * 1024;
const MAX_FILES = 150;
/** What someone who installs the package must find, and nothing beside `files` of package.json. */
const NEEDED = [
  "package.json",
  "README.md",
  "LICENSE",
  "bin/kinglet.mjs",
  "dist/index.js",
  "dist/index.d.ts",
  "dist/cli.js",
];
const ALLOWED = /^(dist|bin|docs)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/;

const folder = mkdtempSync(path.join(tmpdir(), "kinglet-package-"));
const problems = [];
try {
  const tarball = pack(folder);
  lint(tarball);
  const unpacked = unpack(tarball, folder);
  checkFiles(tarball, unpacked);
  checkRuns(unpacked, folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const problem of problems) console.error(`✗ ${problem}`);
if (problems.length > 0) process.exit(1);
console.log("✓ the package is fit to be published");

function pack(into) {
  runTool("tsdown", []);
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", into];
  const output = execFileSync("npm", args, { cwd: root, encoding: "utf8" });
  const [packed] = Object.values(JSON.parse(output));
  return path.join(into, packed.filename);
}

/** Runs a tool of node_modules; its output comes with the error if it fails. */
function runTool(tool, args) {
  const script = path.join(root, "scripts/with-node.mjs");
  return execFileSync(process.execPath, [script, tool, ...args], {
    cwd: root,
    encoding: "utf8",
    stdio: "pipe",
  });
}

function lint(tarball) {
  const tools = {
    publint: ["run", tarball, "--strict"],
    // Kinglet is ESM only: CommonJS users load it with require(esm).
    attw: [tarball, "--ignore-rules", "cjs-resolves-to-esm", "--profile", "node16", "--no-emoji"],
  };
  for (const [tool, args] of Object.entries(tools)) {
    try {
      runTool(tool, args);
    } catch (error) {
      problems.push(`${tool} objects to the tarball:\n${error.stdout}${error.stderr}`);
    }
  }
}

function unpack(tarball, into) {
  const modules = path.join(into, "user", "node_modules");
  mkdirSync(modules, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", modules]);
  renameSync(path.join(modules, "package"), path.join(modules, "kinglet"));
  return path.join(modules, "kinglet");
}

function checkFiles(tarball, unpacked) {
  const files = readdirSync(unpacked, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      path.relative(unpacked, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/"),
    );
  const sizeBytes = statSync(tarball).size;
  console.log(`  ${files.length} files, ${Math.ceil(sizeBytes / 1024)} KiB packed`);
  if (sizeBytes > MAX_PACKED_BYTES)
    problems.push(`the tarball has ${sizeBytes} bytes, more than ${MAX_PACKED_BYTES}`);
  if (files.length > MAX_FILES)
    problems.push(`the tarball has ${files.length} files, more than ${MAX_FILES}`);
  for (const file of NEEDED) if (!files.includes(file)) problems.push(`the tarball lacks ${file}`);
  for (const file of files)
    if (!ALLOWED.test(file)) problems.push(`the tarball holds ${file}, which no user needs`);
}

/** As a user's own script does it; only the declared dependencies stand beside the package. */
function checkRuns(unpacked, into) {
  const { dependencies, bin } = JSON.parse(readFileSync(path.join(unpacked, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies ?? {})) linkPackage(name, path.dirname(unpacked));
  const user = path.join(into, "user");
  writeFileSync(path.join(user, "package.json"), '{ "type": "module" }');
  writeFileSync(
    path.join(user, "script.ts"),
    `import { openPool } from "kinglet";
     const pool = openPool({ concurrency: 1 });
     const results: number[] = await pool.map((n: number) => n + 1, [1, 2]);
     if (String(results) !== "2,3") throw new Error("wrong results: " + results);
     await pool.close();`,
  );
  const kinglet = path.join(unpacked, bin.kinglet);
  const attempts = {
    "a script that imports the unpacked tarball": [path.join(user, "script.ts")],
    "kinglet run of the unpacked tarball": [kinglet, "run", path.join(user, "script.ts")],
    "kinglet doctor of the unpacked tarball": [kinglet, "doctor"],
  };
  for (const [what, args] of Object.entries(attempts)) {
    try {
      execFileSync(process.execPath, args, { cwd: user, encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      problems.push(`${what} fails:\n${error.stdout}${error.stderr}`);
    }
  }
}

function linkPackage(name, modules) {
  const target = path.join(modules, name);
  mkdirSync(path.dirname(target), { recursive: true });
  symlinkSync(path.join(root, "node_modules", name), target, "dir");
}
