import { rm } from "node:fs/promises";
import { afterAll, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";

const { folder, lowrank } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const failure = async (...words: string[]) => {
  const { code, stderr } = await lowrank(["compare", ...words]);
  expect(code).toBe(1);
  return stderr;
};

test("options that belong together are asked for, before anything runs", async () => {
  const place = ["--queue", "redis://x", "--store", "store"];
  const leave = "too; give both, or leave --queue and --store out";
  expect(await failure("--queue", "redis://x")).toContain(`--queue needs --store ${leave}`);
  expect(await failure("--store", "store")).toContain(`--store needs --queue ${leave}`);
  expect(await failure(...place)).toContain(`--queue needs --model ${leave}`);
  expect(await failure(...place, "--model", "model")).toContain(`--queue needs --data ${leave}`);
  expect(await failure("--model", "model")).toContain(
    "--model needs --data: the built-in task works only with the built-in model",
  );
  expect(await failure("--methods", "lora", "--lr", "dora=1,lora=1,ia3=1")).toContain(
    "--lr names dora, ia3, which --methods lacks; add it to --methods",
  );
  expect(await failure("--output", "text.txt")).toContain("--output text.txt is a file; give a folder");
  expect(await failure("--methods", "nothing")).toContain('there is no method "nothing"');
  const data = ["--model", "model", "--data", "none.jsonl"];
  expect(await failure(...data)).toContain("none.jsonl");
  expect(await failure("--model", "nowhere", "--data", "pairs.jsonl")).toContain("nowhere");
  expect(await failure(...data.slice(0, 2), "--data", "pairs.jsonl", "--validation", "none.txt")).toContain("none.txt");
});
