import { readFile, rm, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CommandFolder, commandFolder } from "../../testing/commandFolder.ts";

let command: CommandFolder;

beforeAll(async () => {
  command = await commandFolder();
  const train = ["train", "--model", "model", "--data", "pairs.jsonl", "--steps", "4", "--lr", "5e-2"];
  await command.succeed([...train, "--output", "adapter", "--r", "4"]);
});
afterAll(() => rm(command.folder, { recursive: true, force: true }));

const limits = ["--model", "model", "--max-new-tokens", "4", "--greedy"];
const chat = (lines: readonly string[], ...more: string[]) =>
  command.lowrank(["chat", ...limits, ...more], { stdin: `${lines.join("\n")}\n` });

interface Chat {
  adapter: string | null;
  settings: Record<string, unknown>;
  messages: { role: string; content: string }[];
  turns: { text: string; promptTokens: number; reusedTokens: number; newTokens: number }[];
}

const told = async (lines: readonly string[], ...more: string[]): Promise<Chat> => {
  const { code, stdout, stderr } = await chat(lines, "--json", ...more);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
};

/** Returns the answer of `lowrank generate` to one message. */
async function generated(text: string, ...more: string[]): Promise<string> {
  const { stdout } = await command.succeed(["generate", ...limits, "--chat", "--prompt", text, ...more]);
  return stdout.replace(/\n$/, "");
}

test("each line is a turn, whose answer is generate's, and only what is new runs", async () => {
  const { stdout, stderr } = await chat(["hi", ""]);
  expect([stdout, stderr]).toEqual([`${await generated("hi")}\n`, ""]);
  const { turns, messages } = await told(["hi", "you"]);
  expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant"]);
  expect(turns[0]).toMatchObject({ text: await generated("hi"), reusedTokens: 0, newTokens: 4 });
  // This template formats an answer differently from the prompt that the model continued, so the cache ends at the
  // prompt.
  expect(turns[1].reusedTokens).toBe(turns[0].promptTokens);
});

test("adapters change by /use, and what they computed is not mixed", async () => {
  const [plain, adapted] = [await generated("hi"), await generated("hi", "--adapter", "adapter")];
  expect(adapted).not.toBe(plain);
  const lines = ["hi", "/use adapter", "/reset", "hi", "/use none", "/reset", "hi", "/use adapter", "/reset", "hi"];
  const { turns, adapter } = await told(lines);
  expect(turns.map(({ text }) => text)).toEqual([plain, adapted, plain, adapted]);
  expect(turns.map(({ reusedTokens }) => reusedTokens)).toEqual([0, 0, 0, 0]);
  expect(adapter).toBe("adapter");
  const { stdout, stderr } = await chat(["/adapters", "/use none", "/adapters", "hi"], "--adapter", "adapter");
  expect(stderr).toBe("* adapter  adapter\nthe base model answers\n  adapter  adapter\n");
  expect(stdout).toBe(`${plain}\n`);
});

test("a system prompt stands before the turns, from the flag or by /system", async () => {
  const answer = await generated("hi", "--system", "be brief");
  expect(answer).not.toBe(await generated("hi"));
  const { turns, messages } = await told(
    ["hi", "/system none", "/reset", "/system be brief", "hi"],
    "--system",
    "be brief",
  );
  expect(turns.map(({ text }) => text)).toEqual([answer, answer]);
  expect(messages[0]).toEqual({ role: "system", content: "be brief" });
});

test("/set changes how tokens are chosen, /save writes a file that train reads, /exit leaves", async () => {
  const { settings, messages } = await told([
    "/set temperature 0.7",
    "/set max-new-tokens=2",
    "hi",
    "/save chat.jsonl",
    "/exit",
    "no",
  ]);
  expect(settings).toMatchObject({ temperature: 0.7, maxNewTokens: 2 });
  expect(settings.greedy).toBeUndefined();
  expect(JSON.parse(await readFile(command.at("chat.jsonl"), "utf8"))).toEqual({ messages });
  expect(messages).toHaveLength(2);
  const { stderr } = await chat(["/help", "a\\", "b"]);
  expect(stderr).toContain("/use NAME | PATH | none");
  expect((await told(["a\\", "b"])).messages[0].content).toBe("a\nb");
});

test("a line that fails is told and skipped; the exit code says so", async () => {
  const { code, stdout, stderr } = await chat(["/resett", "/set heat 1", "/set top-k x", "/use nowhere", "hi"]);
  expect(code).toBe(1);
  expect(stdout).toBe(`${await generated("hi")}\n`);
  for (const line of [
    "error: there is no command /resett; did you mean /reset? /help lists the commands",
    "error: /set: there is no setting heat; there are max-new-tokens, temperature, top-k, top-p, seed, greedy",
    "error: /set top-k: Expected a whole number of at least 0.",
    "error: 4 of the lines got no answer; see the errors above",
  ]) {
    expect(stderr).toContain(`${line}\n`);
  }
  expect(stderr).toMatch(/nowhere/);
});

test("a conversation that fills the model is an error, and stays", async () => {
  const { code, stderr, stdout } = await chat([`${"long ".repeat(15)}`, "hi"]);
  expect([code, stdout]).toEqual([1, `${await generated("hi")}\n`]);
  expect(stderr).toMatch(
    /the conversation has \d+ tokens, but the model has only 64 positions; start again with \/reset/,
  );
});

test("after training on chats the suggested command has --chat, after other data it has not", async () => {
  const messages = [
    { role: "user", content: "hi" },
    { role: "assistant", content: "yo" },
  ];
  await writeFile(command.at("chats.jsonl"), `${JSON.stringify({ messages })}\n`.repeat(8));
  for (const [data, chats] of [
    ["chats.jsonl", "--chat "],
    ["pairs.jsonl", ""],
  ]) {
    const train = ["train", "--model", "model", "--data", data, "--steps", "1", "--output", `of-${data}`];
    const { stdout } = await command.succeed(train);
    expect(stdout).toContain(`lowrank generate --model model --adapter of-${data} ${chats}--prompt "..."`);
  }
});
