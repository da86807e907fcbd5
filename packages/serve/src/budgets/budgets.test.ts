import { describe, expect, test } from "vitest";
import { Budgets } from "./budgets.ts";
import { budgetsOf, checkBudgets } from "./keyBudgets.ts";

const spender = (tenant: string, own: Parameters<typeof budgetsOf>[0] = {}, shared = true) => {
  return { tenant, budgets: budgetsOf(own, undefined), shared };
};

describe("tokens a minute", () => {
  test("are reserved at admission, corrected at the end and given back by time", () => {
    let now = 0;
    const budgets = new Budgets(8, () => now);
    const key = spender("a", { tokensPerMinute: 600 });
    const left = () => Number(budgets.headers(key)["x-ratelimit-remaining-tokens"]);
    const ask = (newTokens: number) => budgets.admit(key, { sequences: 1, promptTokens: 100, newTokens, param: "n" });
    const first = ask(400);
    expect(left()).toBe(100);
    expect(() => ask(100)).toThrow(
      "This key has 100 of its 600 tokens per minute left, but the request may use 200. Try again later.",
    );
    first.end(120);
    first.end(120);
    expect(left()).toBe(480);
    expect(budgets.headers(key)["x-ratelimit-reset-tokens"]).toBe("12s");
    now = 6000;
    expect(left()).toBe(540);
    expect(() => ask(501)).toThrow(
      "The request may use 601 tokens, but this key has only 600 per minute; shorten the prompt, or lower max_tokens.",
    );
    now = 60_000;
    expect(left()).toBe(600);
  });

  test("used beyond the reservation reduce the budget below zero", () => {
    let now = 0;
    const budgets = new Budgets(8, () => now);
    const key = spender("a", { tokensPerMinute: 60 });
    budgets.admit(key, { sequences: 1, promptTokens: 10, newTokens: 1000, openEnded: true, param: "n" }).end(120);
    const ask = () => budgets.admit(key, { sequences: 1, promptTokens: 1, newTokens: 0, param: "n" });
    now = 60_000;
    expect(ask).toThrow("0 of its 60 tokens");
    now = 61_000;
    ask();
  });

  test("that are used up are told before a prompt is tokenized", () => {
    let now = 0;
    const budgets = new Budgets(8, () => now);
    const key = spender("a", { tokensPerMinute: 60 });
    const check = () => budgets.check(key, { sequences: 1, param: "n" });
    check();
    budgets.admit(key, { sequences: 1, promptTokens: 60, param: "n" });
    expect(check).toThrow("This key has used all of its 60 tokens per minute. Try again later.");
    expect(check).toThrow(expect.objectContaining({ retryAfter: 1, code: "rate_limit_exceeded" }));
    now = 1000;
    check();
    expect(() => budgets.check(key, { sequences: 9, param: "n" })).toThrow("The request needs 9 sequences");
  });

  test("a refusal names the seconds after which the request fits", () => {
    const budgets = new Budgets(8, () => 0);
    const key = spender("a", { tokensPerMinute: 60 });
    budgets.admit(key, { sequences: 1, promptTokens: 60, param: "n" });
    expect(() => budgets.admit(key, { sequences: 1, promptTokens: 30, param: "n" })).toThrow(
      expect.objectContaining({ retryAfter: 30, code: "rate_limit_exceeded" }),
    );
  });
});

describe("requests", () => {
  test("are counted in words of one and of many", () => {
    const budgets = new Budgets(8);
    const key = spender("a", { requests: 1 });
    budgets.admit(key, { sequences: 1, param: "n" });
    expect(() => budgets.admit(key, { sequences: 1, param: "n" })).toThrow(
      "This key has 1 sequence waiting or running, and",
    );
  });

  test("that can never fit get no time to retry, others get one", () => {
    const budgets = new Budgets(8);
    const [a, b] = [spender("a"), spender("b")];
    expect(() => budgets.admit(a, { sequences: 5, param: "n" })).toThrow(
      expect.objectContaining({ retryAfter: null, code: "over_budget", param: "n" }),
    );
    budgets.admit(a, { sequences: 4, param: "n" });
    expect(() => budgets.admit(a, { sequences: 1, param: "n" })).toThrow("This key has 4 sequences waiting or running");
    budgets.admit(b, { sequences: 2, param: "n" });
    expect(budgets.uses()).toEqual([
      { tenant: "a", budget: "requests", used: 4, limit: 4 },
      { tenant: "b", budget: "requests", used: 2, limit: 4 },
    ]);
  });

  test("are refused for a full queue only if they do not fit with all others", () => {
    const budgets = new Budgets(8);
    const admit = (tenant: string, sequences: number, requests?: number) =>
      budgets.admit(spender(tenant, { requests }), { sequences, param: "n" });
    admit("a", 4);
    expect(() => admit("a", 4)).toThrow(
      "This key has 4 sequences waiting or running, and the request needs 4 more sequences.",
    );
    expect(() => admit("b", 5, 8)).toThrow("The queue of the server is full, and the request needs 5 more sequences.");
    expect(() => admit("b", 5, 8)).toThrow(expect.objectContaining({ retryAfter: 1 }));
    admit("b", 4, 8);
  });

  test("beyond a limit that was lowered leave none", () => {
    const budgets = new Budgets(8);
    budgets.admit(spender("a", { requests: 6 }), { sequences: 6, param: "n" });
    expect(budgets.headers(spender("a", { requests: 2 }))).toMatchObject({
      ...{ "x-ratelimit-limit-requests": "2", "x-ratelimit-remaining-requests": "0" },
    });
  });

  test("reserve the tokens of the prompt and the new ones, each if given", () => {
    const budgets = new Budgets(8, () => 0);
    const key = spender("a", { tokensPerMinute: 60, requests: 8 });
    const sizes = [{}, { promptTokens: 5 }, { newTokens: 7 }, { promptTokens: 1, newTokens: 2 }];
    const left = sizes.map((size) => {
      budgets.admit(key, { sequences: 1, param: "n", ...size });
      return budgets.headers(key)["x-ratelimit-remaining-tokens"];
    });
    expect(left).toEqual(["60", "55", "48", "45"]);
  });

  test("headers show what is left, as OpenAI's do", () => {
    const budgets = new Budgets(8);
    const key = spender("a", { requests: 6 });
    const admission = budgets.admit(key, { sequences: 2, param: "n" });
    expect(budgets.headers(key)).toEqual({
      "x-ratelimit-limit-requests": "6",
      "x-ratelimit-remaining-requests": "4",
      "x-ratelimit-reset-requests": "1s",
    });
    admission.end(0);
    expect(budgets.headers(key)["x-ratelimit-remaining-requests"]).toBe("6");
  });
});

test("a key's own budgets override the server's, which override the defaults", () => {
  const budgets = budgetsOf({ jobs: 2 }, { jobs: 3, steps: 50 });
  expect([budgets.jobs, budgets.steps, budgets.rank]).toEqual([2, 50, 256]);
  expect(() => checkBudgets("key a", { jobs: 0 })).toThrow("key a: the budget jobs is 0; give a number above 0");
});
