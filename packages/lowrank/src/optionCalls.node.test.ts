import { init, reference } from "@lowrank/core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { optionCalls } from "./testing/optionCalls/index.ts";
import { closeWorker } from "./testing/optionCalls/ofWorker.ts";

beforeAll(async () => {
  await init(reference());
});

afterAll(closeWorker);

async function refusal(call: (options: object) => unknown, option: string): Promise<string> {
  try {
    await call({ [option]: 1 });
  } catch (error) {
    return (error as Error).message;
  }
  return "nothing was thrown";
}

/** Returns an option in Python's snake case, or else without its last letter. */
function misspelt(option: string): string {
  const snake = option.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return snake === option ? option.slice(0, -1) : snake;
}

it.each(Object.entries(optionCalls))("%s refuses an option that it does not have", async (_name, call) => {
  const message = await refusal(call, "zz");
  const [, listed = ""] = /there is no option zz; there are (.+)$/.exec(message) ?? [];
  expect(listed, message).not.toBe("");
  const option = listed.split(", ").find((name) => name.length > 2) as string;
  const other = misspelt(option);
  expect(await refusal(call, other)).toContain(`there is no option ${other}; did you mean ${option}?`);
});
