import { spawnSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { samplePage } from "@lowrank/test-support/serveFolder";

/** The part of the sample that runs through `lowrank/worker`. */
export interface EngineSample {
  losses: number[];
  text: string;
}

/** The results of the sample app: values and text. */
export interface Sample extends EngineSample {
  product: number[];
  threads: number;
}

/** The sample's results on a server: in the program, and by an engine in a Worker. */
export interface ServerRun {
  readonly page: Sample;
  readonly engine: EngineSample;
}

/** The scripts of the sample in a page and in its Workers. */
export const scripts = ["app.js", "runEngine.js", "page.js", "appWorker.js", "engine.js"];

/** Puts the sample app into `user`, a folder with the packages installed. */
export function writeSample(user: string): void {
  for (const name of [...scripts, "server.js"]) copyFileSync(join(import.meta.dirname, "app", name), join(user, name));
  writeFileSync(join(user, "index.html"), samplePage);
}

/** Runs the sample unbundled by a command such as `node`; throws if it fails. */
export function runOnServer(
  user: string,
  [program, ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  worker: "node" | "web" = "node",
): ServerRun {
  const { status, stdout, stderr, error } = spawnSync(program, [...args, "server.js", worker], {
    cwd: user,
    env,
    encoding: "utf8",
    timeout: 120_000,
  });
  if (status !== 0) throw new Error(`the sample fails: ${error?.message ?? stderr}`);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) as string);
}

/** Returns a sentence for each value or text that differs from Node's; losses may differ by 1e-5, relatively. */
export function differences<S extends EngineSample>(got: S, expected: S): string[] {
  const problems: string[] = [];
  for (const key of Object.keys(expected) as (keyof S & string)[]) {
    if (key === "losses") continue;
    const [here, there] = [JSON.stringify(got[key]), JSON.stringify(expected[key])];
    if (here !== there) problems.push(`${key} is ${here}, in Node ${there}`);
  }
  const close = expected.losses.every((loss, i) => Math.abs(got.losses[i] - loss) <= 1e-5 * Math.abs(loss));
  if (!close || got.losses.length !== expected.losses.length) {
    problems.push(`losses are ${got.losses}, in Node ${expected.losses}`);
  }
  return problems;
}
