import { spawn } from "node:child_process";
import { cp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { getLastCheckpoint } from "@lowrank/train";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clearLeftovers } from "./cli/outputs/clearLeftovers.ts";
import { isStep, type MetricsLine } from "./commands/train/files/metricsLog.ts";
import { commandFolder } from "./testing/commandFolder.ts";

const { folder, at, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Kills of each kind. For more: LOWRANK_KILLS=100 pnpm test packages/lowrank/src/kills */
const kills = Number(process.env.LOWRANK_KILLS ?? 8);

const words = "train --model model --data text.txt --block-size 32 --batch-size 4 --lr 2e-2 --steps 10 --save-every 1";
const args = (...more: string[]) => [...words.split(" "), "--output", "run", "--samples", "1", ...more];
const overwriting = (kind: Kind) => (kind === "fresh" ? [] : ["--overwrite"]);

/**
 * Returns the content of a run's result files without times, and the run that the report describes; null if there is no
 * adapter.
 */
async function resultsIn(path: string): Promise<string | null> {
  const names = (await readdir(path)).filter((name) => !/^checkpoint|\.(part|old|lock)$|\.running\./.test(name));
  if (!names.includes("adapter_config.json")) return null;
  const contents = names.sort().map(async (name) => {
    const text = await readFile(join(path, name), name.endsWith("safetensors") ? "hex" : "utf8");
    if (name === "report.html") return `${name} alpha ${/<th>alpha<\/th><td>(\d+)/.exec(text)?.[1]}`;
    if (name !== "metrics.jsonl") return `${name} ${text}`;
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as MetricsLine);
    return JSON.stringify(lines.map((line) => (isStep(line) ? { ...line, tokens_per_second: 0, memory: 0 } : line)));
  });
  return (await Promise.all(contents)).join("\n");
}

/** The bytes of an adapter. */
const weightsIn = (path: string) => readFile(join(path, "adapter_model.safetensors"), "hex");

let whole: string | null;
let older: string | null;
beforeAll(async () => {
  await succeed(args("--alpha", "3"));
  await rename(at("run"), at("older"));
  await succeed(args());
  await rename(at("run"), at("whole"));
  [whole, older] = [await resultsIn(at("whole")), await resultsIn(at("older"))];
  expect(new Set([whole, older, null]).size).toBe(3);
}, 120_000);

/** Starts the command, which `kill` may end. Returns true if it was killed. */
function run(
  words: readonly string[],
  { kill, env = {}, preload = [] }: { kill?: (stop: () => void) => void; env?: object; preload?: readonly string[] },
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const script = join(import.meta.dirname, "bin.ts");
    const child = spawn(process.execPath, [...preload, script, ...words], {
      cwd: folder,
      env: { ...process.env, ...env },
    });
    let said = "";
    child.stderr.on("data", (text) => {
      if (!said.includes("step 1") && String(text).includes("step 1")) kill?.(() => child.kill("SIGKILL"));
      said += text;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0 || signal === "SIGKILL") resolve(signal === "SIGKILL");
      else reject(new Error(said));
    });
  });
}

/** Runs the command, and kills it at a time after its first step. */
async function runAndKill(words: readonly string[], milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const kill = (stop: () => void) => {
    timer = setTimeout(stop, milliseconds);
  };
  return run(words, { kill }).finally(() => clearTimeout(timer));
}

type Kind = "fresh" | "over an older run";
const kinds: readonly Kind[] = ["fresh", "over an older run"];

async function begin(kind: Kind): Promise<void> {
  await rm(at("run"), { recursive: true, force: true });
  if (kind !== "fresh") await cp(at("older"), at("run"), { recursive: true });
}

/** Checks that all checkpoints belong to one run. */
async function checkCheckpoints(): Promise<void> {
  const names = (await readdir(at("run"))).filter((name) => /^checkpoint-\d+$/.test(name));
  const alphas = names.map(async (name) => {
    const config = await readFile(at(`run/${name}/adapter_config.json`), "utf8");
    return (JSON.parse(config) as { lora_alpha: number }).lora_alpha;
  });
  expect(new Set(await Promise.all(alphas)).size).toBeLessThan(2);
}

/** Checks the folder after a kill. Files of an older run may be missing only if the new run's replace them. */
async function checkLeft(kind: Kind): Promise<void> {
  expect([kind === "fresh" ? null : older, whole, null]).toContain(await resultsIn(at("run")));
  await clearLeftovers(at("run"));
  expect([kind === "fresh" ? null : older, whole]).toContain(await resultsIn(at("run")));
  for (const name of await readdir(at("run"))) expect(name).not.toMatch(/\.(part|old)$/);
  await checkCheckpoints();
}

/** Resumes after kills, and compares the result with an uninterrupted run. */
async function goOn(resume: readonly string[]): Promise<void> {
  await succeed(args(...resume));
  expect(await resultsIn(at("run"))).toBe(whole);
  expect((await readdir(at("run"))).sort()).toEqual((await readdir(at("whole"))).sort());
  for (const name of (await readdir(at("whole"))).filter((name) => name.startsWith("checkpoint"))) {
    expect(await weightsIn(at(`run/${name}`)), name).toBe(await weightsIn(at(`whole/${name}`)));
  }
}

it.each(kinds)(
  "a run that is killed at any moment, %s, is whole or absent, and goes on to the same bits",
  async (kind) => {
    let done = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 250 }), { minLength: 1, maxLength: 3 }), async (moments) => {
        if (done >= kills) return;
        await begin(kind);
        let from: string[] = [];
        for (const moment of moments) {
          if (!(await runAndKill(args(...from, ...overwriting(kind)), moment))) break;
          done++;
          await checkLeft(kind);
          const last = await getLastCheckpoint(at("run"), () => {});
          // The newest checkpoint is from the older run, so that resuming it would be refused.
          from = last === null || kind !== "fresh" ? [] : ["--resume", "run"];
        }
        await goOn([...from, ...overwriting(kind)]);
      }),
      { numRuns: 2 * kills, seed: 1, endOnFailure: true },
    );
    console.log(`${kind}: ${done} kills`);
  },
  3_600_000,
);

it.each(kinds)(
  "a run that is killed at a rename, %s, is whole or absent, and goes on to the same bits",
  async (kind) => {
    const hook = join(import.meta.dirname, "testing/killAtRename.ts");
    const preload = ["--import", hook];
    const moments = ["before", "after"].map((when) => (at: number) => `${at} ${when}`);
    let done = 0;
    // The last renames place the results.
    const removed = (await readdir(at("older"))).filter((name) => name.startsWith("checkpoint-"));
    const renames = kind === "fresh" ? 18 : 23 + removed.length;
    const all = 2 * renames;
    const count = Math.max(Math.ceil(0.4 * kills), kills < 100 ? 0 : all);
    for (let i = 0; i < count; i++) {
      const nth = all - 1 - (Math.floor(i * Math.max(1, all / count)) % all);
      await begin(kind);
      const env = { KILL_AT_RENAME: moments[nth % 2](1 + Math.floor(nth / 2)) };
      expect(await run(args(...overwriting(kind)), { env, preload }), env.KILL_AT_RENAME).toBe(true);
      done++;
      await checkLeft(kind);
      const last = await getLastCheckpoint(at("run"), () => {});
      await goOn(last === null || kind !== "fresh" ? overwriting(kind) : ["--resume", "run"]);
    }
    // There are no further renames.
    await begin(kind);
    const env = { KILL_AT_RENAME: `${renames + 1} before` };
    expect(await run(args(...overwriting(kind)), { env, preload })).toBe(false);
    console.log(`${kind}, at renames: ${done} kills`);
  },
  3_600_000,
);
