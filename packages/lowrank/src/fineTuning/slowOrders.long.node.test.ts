import { defaultBudgets } from "@lowrank/serve/http";
import type { FineTuneJob } from "@lowrank/serve/jobs";
import { expect, test } from "vitest";
import { OrderChecks } from "./orderChecks.ts";
import { file, orderOf, usual } from "./testing/orders.ts";

test("a pattern that takes for ever is refused, and delays other orders only briefly", async () => {
  const checks = new OrderChecks(usual, [], { patienceMs: 4000 });
  const check = (options: FineTuneJob["options"]) =>
    checks.check({ job: orderOf(options), budgets: defaultBudgets, file });
  await check({});
  const endless = check({ "target-modules": "((([a-z0-9._]+)+)+)+!" });
  const next = check({ r: 4 });
  await expect(endless).rejects.toThrow("could not be checked in 4 seconds; give target-modules by name");
  await next;
  await expect(check({ r: 1000 })).rejects.toThrow("the rank is 1000");
  await checks.close();
});

test("owners take turns, so that one key's slow patterns delay another's order by one check", async () => {
  const checks = new OrderChecks(usual, [], { patienceMs: 1000 });
  const settled: string[] = [];
  const check = (owner: string, options: FineTuneJob["options"]) => {
    const job = { ...orderOf(options), owner };
    const note = () => void settled.push(owner);
    return checks.check({ job, budgets: defaultBudgets, file }).then(note, note);
  };
  const endless = { "target-modules": "((([a-z0-9._]+)+)+)+!" };
  await Promise.all([...[1, 2, 3].map(() => check("red", endless)), check("blue", {})]);
  expect(settled).toEqual(["red", "blue", "red", "red"]);
  await checks.close();
});
