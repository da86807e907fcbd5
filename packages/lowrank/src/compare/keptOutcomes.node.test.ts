import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { keepOutcome, keptOutcomes } from "./keptOutcomes.ts";

const folder = await mkdtemp(join(tmpdir(), "lowrank-kept-"));
afterAll(() => rm(folder, { recursive: true }));

const job = (method: string, seed: number, steps = 3) => ({ method, seed, steps }) as never;
const measured = { loss: 1 } as never;

test("outcomes that were measured are kept by method, size and seed, and read again", async () => {
  await keepOutcome(folder, { job: job("lora", 0), measured });
  await keepOutcome(folder, { job: job("lora", 1), error: "no" });
  await keepOutcome(null, { job: job("vera", 0), measured });
  expect(await readdir(join(folder, "runs"))).toEqual(["lora-0.json"]);
  expect(await readFile(join(folder, "runs/lora-0.json"), "utf8")).toMatch(/^\{\n {2}"job": .*\}\n$/s);
  const jobs = [job("lora", 1), job("lora", 0), job("vera", 0)];
  expect(await keptOutcomes(folder, jobs)).toEqual([null, { job: job("lora", 0), measured }, null]);
  expect(await keptOutcomes(null, jobs)).toEqual([null, null, null]);
  const sized = { ...(job("lora", 0) as object), size: { flag: "r", value: 4 } } as never;
  expect(await keptOutcomes(folder, [sized])).toEqual([null]);
  await keepOutcome(folder, { job: sized, measured });
  expect(await readdir(join(folder, "runs"))).toEqual(["lora-0.json", "lora-r-4-0.json"]);
});

test("an outcome of other settings is an error, and one that cannot be read", async () => {
  await expect(keptOutcomes(folder, [job("lora", 0, 4)])).rejects.toThrow(
    "lora-0.json is the result of a run with other settings; give another --output, or delete the file",
  );
  await expect(keptOutcomes(join(folder, "runs/lora-0.json"), [job("lora", 0)])).rejects.toThrow("ENOTDIR");
});
