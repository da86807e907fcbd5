import { spawnSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The numbers and the text that the sample app gives. */
export interface Sample {
  product: number[];
  threads: number;
  losses: number[];
  text: string;
}

/** The page of the sample; bundlers put its script beside it. */
export const samplePage = `<!doctype html><meta charset="utf-8"><script type="module" src="./page.js"></script>`;

/** Puts the sample app into `user`, a folder with the packages installed. */
export function writeSample(user: string): void {
  for (const name of ["app.js", "page.js", "appWorker.js", "engine.js"]) {
    copyFileSync(join(import.meta.dirname, name), join(user, name));
  }
  writeFileSync(join(user, "index.html"), samplePage);
}

/** Runs the sample in Node, unbundled. */
export function runInNode(user: string, env: NodeJS.ProcessEnv): Sample {
  const code =
    'import { runApp } from "./app.js"; console.log(JSON.stringify(await runApp("node_modules/@lowrank/nano/model")));';
  const { status, stdout, stderr } = spawnSync("node", ["--input-type=module", "--eval", code], {
    cwd: user,
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the sample fails in Node: ${stderr}`);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) as string);
}

/** The part of the sample that runs through `lowrank/worker`. */
export type EngineSample = Pick<Sample, "losses" | "text">;

/**
 * Returns a sentence for each number or text that differs from Node's; losses may by 1e-5 of
 * themselves.
 */
export function differences<S extends EngineSample>(name: string, got: S, expected: S): string[] {
  const problems: string[] = [];
  for (const key of Object.keys(expected) as (keyof S & string)[]) {
    if (key === "losses") continue;
    const [here, there] = [JSON.stringify(got[key]), JSON.stringify(expected[key])];
    if (here !== there) problems.push(`${name}: ${key} is ${here}, in Node ${there}`);
  }
  const close = expected.losses.every((loss, i) => Math.abs(got.losses[i] - loss) <= 1e-5 * Math.abs(loss));
  if (!close || got.losses.length !== expected.losses.length) {
    problems.push(`${name}: losses are ${got.losses}, in Node ${expected.losses}`);
  }
  return problems;
}
