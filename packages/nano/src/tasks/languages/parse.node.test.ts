import { spawnSync } from "node:child_process";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { LuaFactory } from "wasmoon";
import { generatePairs } from "../generatePairs.ts";
import type { Split } from "../template.ts";
import type { LanguageName } from "./language.ts";

const splits: Split[] = ["train", "validation", "test"];

function answers(language: LanguageName): string[] {
  return splits.flatMap((split) =>
    generatePairs({ language, split, count: 485, seed: 11 }).map(({ completion }) => completion),
  );
}

const python = ["python3", "python"].find((name) => spawnSync(name, ["--version"]).status === 0);

test.skipIf(python === undefined)("every Python answer compiles (skipped without python3)", () => {
  const script = "import sys, json\nfor line in json.load(sys.stdin): compile(line, line, 'exec')";
  const { status, stderr } = spawnSync(python!, ["-c", script], { input: JSON.stringify(answers("python")) });
  expect(stderr.toString()).toBe("");
  expect(status).toBe(0);
});

test("every Lua answer loads", async () => {
  const lua = await new LuaFactory().createEngine();
  try {
    const problem = lua.doStringSync("return function(code) local _, why = load(code) return why end");
    for (const completion of answers("lua")) expect(problem(completion) ?? null, completion).toBeNull();
    expect(problem("print(")).toMatch("unexpected symbol");
  } finally {
    lua.global.close();
  }
});

test("every SQL answer is a statement SQLite prepares", () => {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE numbers (n INTEGER)");
  const tables = new Set<string>();
  for (const completion of answers("sql")) {
    const table = completion.match(/(?:FROM|INTO) ([a-z]+)/)?.[1];
    if (table !== undefined && table !== "numbers" && !tables.has(table)) {
      database.exec(`CREATE TABLE ${table} (id INTEGER PRIMARY KEY, value)`);
      tables.add(table);
    }
    expect(() => database.prepare(completion), completion).not.toThrow();
  }
  expect(() => database.prepare("SELECT value FORM scores;")).toThrow("syntax error");
  database.close();
});
