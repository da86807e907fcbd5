import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MetricsLog, readHistory } from "./metricsLog.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lowrank-log-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const text = (name = "metrics.jsonl") => readFileSync(join(folder, name), "utf8");
const first = { step: 1, eval_loss: 2 };
const [one, two] = ['{"step":1,"eval_loss":2}\n', '{"step":2,"samples":[{"prompt":"é","answer":"漢"}]}\n'];

test("lines are in the file as soon as they are added, after those of the run that is resumed", () => {
  const log = new MetricsLog(folder, one);
  expect([readdirSync(folder), log.lines, log.text]).toEqual([[], [first], one]);
  log.add(JSON.parse(two));
  expect(text()).toBe(one + two);
  log.add(first);
  expect([text(), log.text, log.lines.length]).toEqual([one + two + one, one + two + one, 3]);
  log.close();
  log.close();
  log.end();
  expect(readdirSync(folder)).toEqual(["metrics.jsonl"]);
});

test.each(["adapter_config.json", "config.json"])("beside %s the lines are in another file until the end", (name) => {
  writeFileSync(join(folder, name), "");
  writeFileSync(join(folder, "metrics.jsonl"), "old");
  const log = new MetricsLog(folder, "");
  log.add(first);
  expect([text(), text("metrics.running.jsonl")]).toEqual(["old", one]);
  log.end();
  expect(readdirSync(folder).sort()).toEqual([name, "metrics.jsonl"]);
  // A run without a line has no file to remove.
  new MetricsLog(folder, "").end();
});

test("a file that cannot be made is an error, and leaves no part", () => {
  mkdirSync(join(folder, "metrics.jsonl"));
  const log = new MetricsLog(folder, one);
  expect(() => log.add(first)).toThrow(/EISDIR|EPERM|EEXIST|ENOTEMPTY/);
  expect([readdirSync(folder), log.text]).toEqual([["metrics.jsonl"], one]);
  log.end();
});

test("the lines of a checkpoint are read, and are none for one without them", async () => {
  expect(await readHistory(folder)).toBe("");
  writeFileSync(join(folder, "metrics.jsonl"), one);
  expect(await readHistory(folder)).toBe(one);
  await expect(readHistory(join(folder, "metrics.jsonl"))).rejects.toThrow("ENOTDIR");
});
