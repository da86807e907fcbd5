import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Check, command } from "./check.ts";
import type { CheckedInstall } from "./checkBundles.ts";
import { differences, runOnServer, type ServerRun } from "./sample.ts";
import { askServer } from "./served.ts";

/** Other JavaScript runtimes on npm, and the arguments with which each runs a file. */
const runtimes = {
  Deno: { dependency: "deno", version: "2.9.6", words: ["run", "--allow-all"] },
  Bun: { dependency: "bun", version: "1.4.5", words: ["run"] },
};

/**
 * Installs Deno and Bun into an empty folder and runs the sample in each, with threads: in the program, by an engine in
 * a Worker of `node:worker_threads`, and by one in a Web Worker. Also serves over HTTP in each.
 */
export function checkRuntimes({ user, work, env }: CheckedInstall, inNode: ServerRun, check: Check): void {
  const folder = join(work, "runtimes");
  mkdirSync(folder);
  const dependencies = Object.fromEntries(
    Object.values(runtimes).map(({ dependency, version }) => [dependency, version]),
  );
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
  const { problems } = command(folder, env, "npm", "install", "--no-audit", "--no-fund");
  check("install Deno and Bun", problems);
  if (problems.length > 0) return;
  const served = askServer(user, env, ["node"]);
  check("a server in Node", served.problems);
  for (const [name, { dependency, words }] of Object.entries(runtimes)) {
    const program = [join(folder, "node_modules", ".bin", dependency), ...words];
    for (const worker of ["node", "web"] as const) {
      const kind = worker === "web" ? "a Web Worker" : "a Worker of node:worker_threads";
      check(`${name} and ${kind}`, problemsIn(user, program, env, worker, inNode));
    }
    const { problems, said } = askServer(user, env, program);
    if (problems.length === 0 && said !== served.said) problems.push(`it says ${said}, and in Node ${served.said}`);
    check(`a server in ${name}`, problems);
  }
}

function problemsIn(
  ...[user, program, env, worker, inNode]: [...Required<Parameters<typeof runOnServer>>, ServerRun]
): string[] {
  try {
    const { page, engine } = runOnServer(user, program, env, worker);
    return [
      ...differences(page, inNode.page),
      ...differences(engine, inNode.engine).map((problem) => `lowrank/worker: ${problem}`),
    ];
  } catch (error) {
    return [(error as Error).message];
  }
}
