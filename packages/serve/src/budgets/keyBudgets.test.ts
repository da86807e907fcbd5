import { describe, expect, test } from "vitest";
import { callerFinder } from "../http/app/apiKeys.ts";
import { Budgets } from "./budgets.ts";
import { budgetsOf, checkBudgets, defaultBudgets } from "./keyBudgets.ts";
import { TokenBudget } from "./requestLimits.ts";

test("a key has the documented budgets, unless it or the server has others", () => {
  expect(defaultBudgets).toEqual({
    ...{ requests: null, tokensPerMinute: Infinity, adapterMemory: Infinity, storedBytes: 20e9, files: 1000, jobs: 10 },
    ...{ trainerMinutes: Infinity, jobMinutes: 720, steps: 100_000, rank: 256 },
  });
  expect(budgetsOf(undefined, undefined)).toEqual(defaultBudgets);
  expect(budgetsOf({ jobs: undefined }, { jobs: 3 }).jobs).toBe(3);
  expect(budgetsOf({ requests: 2 }, { requests: undefined }).requests).toBe(2);
});

test("a budget is a number above 0", () => {
  checkBudgets("key a", { jobs: 0.5, requests: null, files: undefined, steps: Infinity });
  for (const value of [0, -1, Number.NaN, "5" as never]) {
    expect(() => checkBudgets("key a", { jobs: value })).toThrow(
      `key a: the budget jobs is ${value}; give a number above 0`,
    );
  }
});

describe("a bucket of tokens", () => {
  test("is full at first, refills evenly within a minute, and holds no more than its limit", () => {
    let now = 5000;
    const bucket = new TokenBudget(120, () => now);
    expect([bucket.remaining, bucket.resetSeconds, bucket.secondsUntil(120)]).toEqual([120, 0, 0]);
    bucket.take(100);
    expect([bucket.remaining, bucket.resetSeconds]).toEqual([20, 50]);
    expect([bucket.secondsUntil(20), bucket.secondsUntil(21), bucket.secondsUntil(500)]).toEqual([0, 0.5, 50]);
    now += 10_250;
    // 20.5 tokens more.
    expect(bucket.remaining).toBe(40);
    now += 250;
    expect(bucket.remaining).toBe(41);
    now += 3_600_000;
    expect(bucket.remaining).toBe(120);
    bucket.take(-5);
    expect(bucket.remaining).toBe(120);
    bucket.take(180);
    expect([bucket.remaining, bucket.resetSeconds]).toEqual([0, 90]);
    bucket.take(-60);
    expect([bucket.remaining, bucket.secondsUntil(1)]).toEqual([0, 0.5]);
  });
});

describe("headers", () => {
  const header = (missing: number, limit: number) => {
    const budgets = new Budgets(8, () => 0);
    const spender = { tenant: "a", budgets: budgetsOf({ tokensPerMinute: limit }, undefined), shared: false };
    if (missing > 0) budgets.admit(spender, { sequences: 1, promptTokens: missing, param: "n" }).end(missing);
    return budgets.headers(spender);
  };

  test.each([
    [0, "0s"],
    [1, "10ms"],
    [99, "990ms"],
    [100, "1s"],
    [101, "2s"],
    [5900, "59s"],
    [5901, "1m0s"],
    [6000, "1m0s"],
  ])("give the time until %d tokens are back as %s", (missing, duration) => {
    expect(header(missing, 6000)).toMatchObject({
      ...{ "x-ratelimit-limit-tokens": "6000", "x-ratelimit-remaining-tokens": String(6000 - missing) },
      ...{ "x-ratelimit-reset-tokens": duration, "x-ratelimit-reset-requests": "0s" },
    });
  });

  test("have no tokens without a budget, and a changed limit does not give back what was used", () => {
    const budgets = new Budgets(8, () => 0);
    const spender = (tokensPerMinute: number) => {
      return { tenant: "a", budgets: budgetsOf({ tokensPerMinute }, undefined), shared: false };
    };
    expect(budgets.headers(spender(Infinity))).not.toHaveProperty("x-ratelimit-limit-tokens");
    budgets.admit(spender(100), { sequences: 1, promptTokens: 40, newTokens: 20, param: "n" });
    const left = (limit: number) => budgets.headers(spender(limit))["x-ratelimit-remaining-tokens"];
    expect([left(100), left(200), left(200), left(100)]).toEqual(["40", "140", "140", "40"]);
    expect(budgets.uses()).toMatchObject([
      { tenant: "a", budget: "requests", used: 1, limit: 8 },
      { tenant: "a", budget: "tokensPerMinute", used: 60, limit: 100 },
    ]);
    expect(left(50)).toBe("0");
  });

  test("of an open request reserve what is left, and one token at least", () => {
    const budgets = new Budgets(8, () => 0);
    const spender = { tenant: "a", budgets: budgetsOf({ tokensPerMinute: 100 }, undefined), shared: false };
    const ask = (promptTokens: number, newTokens: number) =>
      budgets.admit(spender, { sequences: 1, promptTokens, newTokens, openEnded: true, param: "n" });
    const left = () => budgets.headers(spender)["x-ratelimit-remaining-tokens"];
    ask(10, 20);
    expect(left()).toBe("70");
    const all = ask(10, 500);
    expect(left()).toBe("0");
    all.end(30);
    expect(left()).toBe("40");
    ask(39, 500);
    expect(left()).toBe("0");
    expect(() => ask(100, 1)).toThrow(
      "The request may use 101 tokens, but this key has only 100 per minute; shorten the prompt, or lower max_tokens.",
    );
  });
});

describe("the caller of a key", () => {
  // As printed by `printf %s red-key | sha256sum`.
  const hash = async (key: string) => {
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key)));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const find = async (more: object, count = 1) => {
    const others = await Promise.all(
      Array.from({ length: count - 1 }, async (_, i) => ({ id: `k${i}`, sha256: await hash(`other-${i}`) })),
    );
    return callerFinder([{ id: "red", sha256: await hash("red-key"), ...more }, ...others], { jobs: 3 });
  };

  test("has the rights of the key, and the budgets of key and server", async () => {
    const caller = async (more: object, count?: number) => (await find(more, count))("Bearer red-key");
    expect(await caller({})).toEqual({
      ...{ tenant: "red", operator: false, admin: false, base: true, adapters: ["*"], shared: false },
      budgets: { ...defaultBudgets, jobs: 3 },
    });
    expect(await caller({ admin: true, base: false, adapters: ["a/*"], budgets: { jobs: 7 } }, 2)).toMatchObject({
      ...{ operator: false, admin: true, base: false, adapters: ["a/*"], shared: true, budgets: { jobs: 7 } },
    });
    expect(await caller({ operator: true })).toMatchObject({ operator: true, admin: true });
  });

  test("is found by the key alone, in any case of the scheme", async () => {
    const caller = await find({}, 2);
    for (const good of ["Bearer red-key", "bearer red-key", "BEARER   red-key "]) {
      expect((await caller(good))?.tenant, good).toBe("red");
    }
    expect((await caller("Bearer other-0"))?.tenant).toBe("k0");
    for (const bad of [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      "red-key",
      "Bearer red-key x",
      "Basic red-key",
      "Bearer other-1",
    ]) {
      expect(await caller(bad), bad).toBe(null);
    }
    // An empty key never matches, even if its hash is listed.
    const empty = callerFinder([{ id: "e", sha256: await hash("") }]);
    expect(await empty("Bearer ")).toBe(null);
  });

  test.each([
    [
      { operator: true, adapters: ["a"] },
      "key red: operator: true allows every adapter and the base model, but the key also has adapters",
    ],
    [
      { operator: true, base: false },
      "operator: true allows every adapter and the base model, but the key also has base: false; leave base: false out, or write admin: true instead of operator",
    ],
    [{ budgets: { jobs: 0 } }, "key red: the budget jobs is 0; give a number above 0"],
    [{ sha256: "a".repeat(63) }, "key red: sha256 is no SHA-256 in hexadecimal"],
  ])("%j is refused", async (more, message) => {
    await expect(find(more)).rejects.toThrow(message);
  });

  test("may be an operator with the base model named", async () => {
    expect((await (await find({ operator: true, base: true }))("Bearer red-key"))?.operator).toBe(true);
  });
});
