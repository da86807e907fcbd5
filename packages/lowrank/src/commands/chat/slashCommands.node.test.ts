import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Option } from "commander";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { integer } from "../../cli/argument.ts";
import type { Conversation } from "./conversation.ts";
import { InputHistory } from "./converse.ts";
import { type ChatSettings, runSlashCommand, slashNames } from "./slashCommands.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-slash-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Talk {
  adapters: Map<string, string>;
  active: string | null;
  system: string | null;
  messages: object[];
  transcript: object[];
  use(word: string | null): Promise<string | null>;
  reset(): void;
}

function chat(settings: Partial<ChatSettings> = {}, talk: Partial<Talk> = {}) {
  const conversation: Talk = {
    ...{ adapters: new Map(), active: null, system: null, messages: [], transcript: [] },
    use: async (word) => word,
    reset: () => void conversation.messages.splice(0),
    ...talk,
  };
  const state = {
    conversation: conversation as unknown as Conversation,
    settings: { seed: 0, maxNewTokens: 8, ...settings },
    options: [new Option("--max-new-tokens <n>").argParser(integer(1))],
  };
  return { run: async (line: string) => runSlashCommand(line, state), settings: state.settings, conversation };
}

describe("/set", () => {
  test("shows the settings that are given", async () => {
    const { run } = chat({ temperature: 0.5, topK: undefined });
    expect(await run("/set")).toBe("seed 0, max-new-tokens 8, temperature 0.5");
  });

  test.each<[string, Partial<ChatSettings>, Partial<ChatSettings>]>([
    ["/set temperature 0.7", { greedy: true }, { temperature: 0.7 }],
    ["/set --top-k=5", { temperature: 1 }, { temperature: 1, topK: 5 }],
    ["/set -- top-p 0.9", {}, { topP: 0.9 }],
    ["/set greedy", { temperature: 1, topK: 2, topP: 0.5 }, { greedy: true }],
    ["/set max-new-tokens 3", { greedy: true }, { maxNewTokens: 3 }],
    ["/set seed 7", {}, { seed: 7 }],
  ])("%s", async (line, before, after) => {
    const { run, settings } = chat(before);
    await run(line);
    expect(settings).toEqual({ seed: 0, maxNewTokens: 8, ...after });
  });

  test.each([
    ["/set top-k", "/set top-k takes one value, such as /set top-k 1"],
    ["/set top-k 1 2", "/set top-k takes one value"],
    ["/set top-k -1", "/set top-k: "],
    [
      "/set nothing 1",
      "/set: there is no setting nothing; there are max-new-tokens, temperature, top-k, top-p, seed, greedy",
    ],
  ])("%s is refused", async (line, message) => {
    await expect(chat().run(line)).rejects.toThrow(message);
  });
});

describe("a command", () => {
  test("is found by its whole name, and /help has all", async () => {
    const { run } = chat();
    expect(slashNames).toEqual(["/help", "/use", "/adapters", "/system", "/reset", "/set", "/save", "/exit"]);
    const lines = (await run("/help"))!.split("\n");
    expect(lines[0]).toBe("  /help                    these commands");
    expect(lines[1]).toBe(
      "  /use NAME | PATH | none  answer with an adapter: one of /adapters, a folder or hf://org/name; none for the base model",
    );
    expect(lines.length).toBe(slashNames.length + 1);
    expect(await run("/exit")).toBeNull();
    await expect(run("/rest")).rejects.toThrow(
      "there is no command /rest; did you mean /reset? /help lists the commands",
    );
    await expect(run("/constructor")).rejects.toThrow("there is no command /constructor; /help lists the commands");
  });

  test("/use and /adapters name the adapter that answers", async () => {
    const adapters = new Map([
      ["a", "one"],
      ["b", "two"],
    ]);
    const { run } = chat({}, { adapters, active: "b" });
    expect(await run("/adapters")).toBe("  a  one\n* b  two");
    expect(await chat().run("/adapters")).toBe("no adapter is loaded; /use PATH loads one");
    expect([await run("/use  a "), await run("/use none")]).toEqual(["adapter a answers", "the base model answers"]);
    await expect(run("/use")).rejects.toThrow("/use: which adapter?");
  });

  test("/system sets the message, or shows it", async () => {
    const { run, conversation } = chat();
    expect(await run("/system")).toBe("there is no system prompt");
    expect(await run("/system be brief\nand kind")).toBe("system: be brief\nand kind");
    expect([await run("/system"), conversation.system]).toEqual(["system: be brief\nand kind", "be brief\nand kind"]);
    expect([await run("/system none"), conversation.system]).toEqual(["there is no system prompt", null]);
  });

  test("/save appends the turns to a file, and /reset forgets them", async () => {
    const transcript = [{ role: "user", content: "hi" }];
    const { run, conversation } = chat({}, { messages: [...transcript], transcript });
    const file = join(folder, "chat.jsonl");
    for (const _ of [1, 2]) expect(await run(`/save ${file}`)).toBe(`saved to ${file}`);
    const line = `${JSON.stringify({ messages: transcript })}\n`;
    expect(await readFile(file, "utf8")).toBe(line + line);
    await expect(run("/save")).rejects.toThrow("/save: where to?");
    await run("/reset");
    expect(conversation.messages).toEqual([]);
    await expect(run(`/save ${file}`)).rejects.toThrow("/save: there are no turns yet");
  });
});

test("the last 1000 lines of chats are kept, and the file is cut beyond 2000", async () => {
  const before = process.env.XDG_STATE_HOME;
  process.env.XDG_STATE_HOME = join(folder, "state");
  try {
    const history = new InputHistory();
    expect(history.path).toBe(join(folder, "state", "lowrank", "chat_history"));
    process.env.XDG_STATE_HOME = "";
    vi.stubEnv("LOCALAPPDATA", folder);
    const usual = process.platform === "win32" ? folder : join(homedir(), ".local", "state");
    expect(new InputHistory().path).toBe(join(usual, "lowrank", "chat_history"));
    vi.unstubAllEnvs();
    expect(await history.read()).toEqual([]);
    for (const line of ["one", "two"]) await history.add(line);
    expect(await history.read()).toEqual(["one", "two"]);
    if (process.platform !== "win32") {
      expect((await stat(history.path)).mode & 0o777).toBe(0o600);
      expect((await stat(dirname(history.path))).mode & 0o777).toBe(0o700);
    }
    const lines = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}`);
    for (const [count, left] of [
      [2000, 2000],
      [2001, 1000],
    ]) {
      await writeFile(history.path, `${lines(count).join("\n")}\n`);
      expect(await history.read()).toEqual(lines(count).slice(-1000));
      expect((await readFile(history.path, "utf8")).split("\n").length).toBe(left + 1);
    }
  } finally {
    if (before === undefined) delete process.env.XDG_STATE_HOME;
    else process.env.XDG_STATE_HOME = before;
  }
});
