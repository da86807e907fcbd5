import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { takeMoments } from "./testing/moments.ts";
import { type Sequence, sequence } from "./testing/steps.ts";
import { World } from "./testing/world.ts";
import { tenantKeys } from "./testing/worldKeys.ts";

const count = Number(process.env.LOWRANK_TENANCY ?? 150);
const seed = Number(process.env.LOWRANK_SEED ?? 1);

let endMoments: () => void;
beforeEach(() => {
  endMoments = takeMoments();
});
afterEach(() => endMoments());

/** Request of the observer, as sent in the first world. */
type Played = ReturnType<World["resolve"]>;

/** Runs a sequence in one of its worlds. Returns the observer's requests and all its answers. */
async function play({ task, observer, others, turns }: Sequence, isFirst: boolean, script?: readonly Played[]) {
  const world = new World(task, tenantKeys[observer], isFirst);
  const tenants = others.map((other) => (other === observer ? (other + 1) % tenantKeys.length : other));
  const played: Played[] = [];
  const answers: string[] = [];
  for (const [moment, turn] of turns.entries()) {
    if (turn.by === "operator") await world.operate(moment, turn.step, tenants);
    else if (turn.by === "observer") {
      const what = script ? script[played.length] : world.resolve(observer, tenants, turn.step);
      played.push(what);
      answers.push(`${JSON.stringify(what)}\n${await world.play(observer, moment, what)}`);
    } else {
      const by = tenants[turn.which % tenants.length];
      const step = isFirst ? turn.step : turn.otherwise;
      const what = step && world.resolve(by, [observer], step);
      if (step && !world.isShared(by, tenantKeys[observer], what)) await world.play(by, moment, what);
    }
  }
  return { played, answers: [...answers, await world.close(observer)] };
}

/** Returns the route of a request, without names and ids. */
function routeOf(what: Played): string {
  if (what === null || "train" in what) return what === null ? "release" : "train";
  return `${what.method} ${what.path.replace(/(files|jobs|models)\/[^/]*/, "$1/ID")}${what.hold ? ", held" : ""}`;
}

/** Routes that a key can use. Each should be answered with 200 at least once. */
const usable = [
  ...["chat/completions", "completions", "embeddings", "files", "fine_tuning/jobs", "load_lora_adapter"],
  "unload_lora_adapter",
].map((path) => `POST /v1/${path}`);

test(
  `what a tenant gets does not depend on other tenants (${count} sequences, seed ${seed})`,
  async () => {
    const answered = new Map<string, number>();
    const property = fc.asyncProperty(sequence, async (drawn) => {
      const first = await play(drawn, true);
      const second = await play(drawn, false, first.played);
      for (const [i, what] of first.played.entries()) {
        const status = /^\{.*\n(\d{3})\n/.exec(first.answers[i])?.[1] ?? "";
        const key = `${routeOf(what)} ${status}`;
        answered.set(key, (answered.get(key) ?? 0) + 1);
      }
      if (second.answers.join("\0") !== first.answers.join("\0")) expect(second.answers).toEqual(first.answers);
    });
    await fc.assert(property, { numRuns: count, seed });
    if (process.env.LOWRANK_TENANCY)
      console.log(
        [...answered]
          .sort()
          .map((pair) => pair.join(": "))
          .join("\n"),
      );
    // Otherwise the sequences would test nothing.
    expect(usable.filter((route) => !answered.has(`${route} 200`))).toEqual([]);
  },
  Math.max(60_000, count * 100),
);
