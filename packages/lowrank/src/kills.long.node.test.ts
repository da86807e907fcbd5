import { spawn } from "node:child_process";
import { cp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { getLastCheckpoint } from "@lowrank/train";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { commandFolder } from "./testing/commandFolder.ts";

const { folder, at, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

/** More of them by hand: LOWRANK_KILLS=100 pnpm test packages/lowrank/src/kills */
const kills = Number(process.env.LOWRANK_KILLS ?? 8);

const words = "train --model model --data text.txt --block-size 32 --batch-size 4 --lr 2e-2 --steps 10 --save-every 1";
const args = (output: string, ...more: string[]) => [...words.split(" "), "--output", output, ...more];

/** The files of a folder's adapter; null where its config is missing: there is none. */
async function adapterIn(path: string): Promise<string | null> {
  const file = (name: string) => readFile(join(path, name), "hex").catch(() => null);
  const [config, weights] = [await file("adapter_config.json"), await file("adapter_model.safetensors")];
  return config && `${config} ${weights}`;
}

let whole: string | null;
let older: string | null;
beforeAll(async () => {
  await succeed(args("whole"));
  await succeed(args("older", "--alpha", "3"));
  [whole, older] = [await adapterIn(at("whole")), await adapterIn(at("older"))];
  expect(new Set([whole, older, null]).size).toBe(3);
}, 120_000);

/** Starts the command, and kills it after its first step. Returns true if that came to pass. */
function runAndKill(words: readonly string[], milliseconds: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "bin.ts"), ...words], { cwd: folder });
    let said = "";
    let timer: NodeJS.Timeout | undefined;
    child.stderr.on("data", (text) => {
      said += text;
      if (said.includes("step 1")) timer ??= setTimeout(() => child.kill("SIGKILL"), milliseconds);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0 || signal === "SIGKILL") resolve(signal === "SIGKILL");
      else reject(new Error(said));
    });
  });
}

it.each(["fresh", "over an older run"])(
  "a run that is killed at any moment, %s, is whole or absent, and goes on to the same bits",
  async (kind) => {
    let done = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 3 }), async (moments) => {
        await rm(at("run"), { recursive: true, force: true });
        if (kind !== "fresh") await cp(at("older"), at("run"), { recursive: true });
        let from: string[] = [];
        for (const moment of moments) {
          if (!(await runAndKill(args("run", ...from), moment))) break;
          done++;
          const before = kind === "fresh" ? null : older;
          expect([before, whole, null]).toContain(await adapterIn(at("run")));
          const last = await getLastCheckpoint(at("run"), () => {});
          // The older run's newest checkpoint is of another run, which is refused by its options.
          from = last === null || kind !== "fresh" ? [] : ["--resume", "run"];
        }
        await succeed(args("run", ...from));
        expect(await adapterIn(at("run"))).toBe(whole);
        for (const name of await readdir(at("run"))) expect(name).not.toMatch(/\.(part|old|lock)$/);
        for (const name of ["checkpoint-5", "checkpoint-10"]) {
          expect(await adapterIn(at(`run/${name}`)), name).toBe(await adapterIn(at(`whole/${name}`)));
        }
      }),
      { numRuns: Math.ceil(kills / 4), seed: 1, endOnFailure: true },
    );
    console.log(`${kind}: ${done} kills`);
  },
  1_800_000,
);
