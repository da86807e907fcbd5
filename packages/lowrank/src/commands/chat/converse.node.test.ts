import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Conversation, Turn } from "./conversation.ts";
import { converse } from "./converse.ts";
import type { ChatState } from "./slashCommands.ts";

type Answer = Parameters<Conversation["answer"]>[1];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-converse-"));
  vi.stubEnv("XDG_STATE_HOME", folder);
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Chats with a conversation that repeats each message. Input and output are streams of the test. */
function talk({ isTTY = false, quiet = false }, answer?: (text: string, options: Answer) => Promise<void>) {
  const stream = () => Object.assign(new PassThrough(), { isTTY, columns: 80, rows: 24, hasColors: () => false });
  const [stdin, stdout, stderr] = [stream(), stream(), stream()];
  for (const [name, made] of Object.entries({ stdin, stdout, stderr })) {
    vi.spyOn(process, name as "stdin", "get").mockReturnValue(made as never);
  }
  const err: string[] = [];
  vi.spyOn(console, "error").mockImplementation((text) => void err.push(stripVTControlCharacters(String(text))));
  const asked: [string, Answer][] = [];
  const conversation = {
    ...{ messages: [] as object[], adapters: new Map(), active: null, system: null },
    answer: async (text: string, options: Answer): Promise<Turn> => {
      asked.push([text, options]);
      await answer?.(text, options);
      options.onText(`<${text}>`);
      conversation.messages.push({}, {});
      const interrupted = options.signal.aborted;
      return { text, promptTokens: 5, reusedTokens: 3, newTokens: interrupted ? 0 : 3, seconds: 2, interrupted };
    },
  };
  const state = { conversation, settings: { seed: 5, maxNewTokens: 8, temperature: 0.5 }, options: [] };
  const ended = converse(state as unknown as ChatState, { quiet });
  const out = () => stripVTControlCharacters(String(stdout.read() ?? ""));
  return { stdin, out, err, asked, ended };
}
const interrupt = () => (process.listeners("SIGINT").at(-1) as () => void)();
const shows = (read: () => unknown, expected: unknown) =>
  vi.waitFor(() => expect(read()).toEqual(expected), { interval: 2 });

const listeners = process.listenerCount("SIGINT");

describe("lines of a pipe", () => {
  test("are turns until /exit; one that ends in a backslash goes on in the next", async () => {
    const { stdin, out, err, asked, ended } = talk({});
    stdin.end(" one \n\n   \ntwo\\\nmore\n/adapters\n/exit\nnot\n");
    expect(await ended).toMatchObject({ failures: 0, turns: [{ text: "one" }, { text: "two\nmore" }] });
    expect([out(), err]).toEqual(["<one>\n<two\nmore>\n", ["no adapter is loaded; /use PATH loads one"]]);
    // Each turn has its own seed.
    expect(asked.map(([, { seed, maxNewTokens, temperature }]) => [seed, maxNewTokens, temperature])).toEqual([
      [5, 8, 0.5],
      [7, 8, 0.5],
    ]);
    expect(process.listenerCount("SIGINT")).toBe(listeners);
  });

  test("that fail are counted, and quiet chats print nothing else", async () => {
    const { stdin, out, err, ended } = talk({ quiet: true }, async (text) => {
      if (text === "bad") throw new Error("too long");
    });
    stdin.end("/adapters\nbad\ngood\n/wrong\n");
    expect(await ended).toMatchObject({ failures: 2, turns: [{ text: "good" }] });
    expect([out(), err.length]).toEqual(["", 2]);
    expect(err[0]).toContain("error: too long");
  });
});

describe("a terminal", () => {
  test("has a prompt, a history and the costs of each turn", async () => {
    await rm(folder, { recursive: true });
    const { stdin, out, err, ended } = talk({ isTTY: true });
    const seen: string[] = [];
    const collect = () => seen.push(out()) && seen.join("");
    await vi.waitFor(() => expect(collect()).toBe("> "), { interval: 2 });
    stdin.write("hello\\\r");
    stdin.write("there\r");
    await shows(() => err, ["3 tokens, 1.5 tokens/s; 2 of 5 prompt tokens were new"]);
    await vi.waitFor(() => expect(collect()).toMatch(/<hello\nthere>\n> $/), { interval: 2 });
    // Tab completes commands, and adapters after /use.
    stdin.write("/ada\t");
    await vi.waitFor(() => expect(collect()).toMatch(/> \/adapters *$/), { interval: 2 });
    stdin.write("\r");
    await shows(() => err.at(-1), "no adapter is loaded; /use PATH loads one");
    stdin.write("/use no\t");
    await vi.waitFor(() => expect(collect()).toMatch(/\/use none *$/), { interval: 2 });
    stdin.write("\u0015/exit\r");
    expect(await ended).toMatchObject({ failures: 0, turns: [{ text: "hello\nthere" }] });
    expect(await readFile(join(folder, "lowrank/chat_history"), "utf8")).toBe("hello\\nthere\n/adapters\n/exit\n");
  });

  test("has the latest line of the history first", async () => {
    await rm(folder, { recursive: true });
    const first = talk({ isTTY: true });
    first.stdin.write("one\rtwo\r/exit\r");
    await first.ended;
    vi.restoreAllMocks();
    const { stdin, asked, ended } = talk({ isTTY: true });
    // Up three times: /exit, two, one.
    stdin.write("\x1b[A\x1b[A\x1b[A\r");
    await shows(() => asked.map(([text]) => text), ["one"]);
    stdin.write("/exit\r");
    await ended;
  });
});

describe("Ctrl-C", () => {
  test("stops an answer, and once more leaves", async () => {
    const waits = (_: string, { signal }: Answer) =>
      new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    const { stdin, err, asked, ended } = talk({ isTTY: true }, waits);
    stdin.write("hello\r");
    await shows(() => asked.length, 1);
    interrupt();
    await shows(() => err, ["stopped after 0 tokens; 2 of 5 prompt tokens were new"]);
    interrupt();
    expect(await ended).toMatchObject({ failures: 0, turns: [{ interrupted: true }] });
  });

  test("leaves if it is pressed twice, without a line between", async () => {
    const { stdin, err, asked, ended } = talk({ isTTY: true });
    await shows(() => process.listenerCount("SIGINT"), listeners + 1);
    const hint = "\nCtrl-C once more leaves";
    stdin.write("\x03");
    await shows(() => err, [hint]);
    stdin.write("hi\r");
    await shows(() => asked.length, 1);
    await shows(() => err.length, 2);
    interrupt();
    expect(err.at(-1)).toBe(hint);
    interrupt();
    expect((await ended).turns).toHaveLength(1);
    expect(process.listenerCount("SIGINT")).toBe(listeners);
  });

  test("in a pipe after an answer ends the chat with the lines that follow", async () => {
    const { stdin, ended } = talk({}, async () => {
      interrupt();
      interrupt();
    });
    stdin.write("one\ntwo\n");
    expect(await ended).toMatchObject({ turns: [{ text: "one", interrupted: true }] });
  });
});
