import { init, reference } from "@lowrank/core";
import { generate } from "@lowrank/models";
import { beforeAll, expect, test } from "vitest";
import type { ServingEngine, ServingEvent, ServingRequest } from "../api.ts";
import { tinyLlama, tinyTokenizer } from "../testing/tinyModel.ts";
import { createEngine } from "./createEngine.ts";

beforeAll(() => init(reference()));

const tokenizer = tinyTokenizer();

function request(given: Partial<ServingRequest> = {}): ServingRequest {
  return { id: "r", prompt: { text: "hello" }, adapter: null, tenant: "t", sampling: { temperature: 0 }, ...given };
}

async function all(engine: ServingEngine, given: Partial<ServingRequest> = {}): Promise<ServingEvent[]> {
  const events: ServingEvent[] = [];
  for await (const event of engine.generate(request(given))) events.push(event);
  return events;
}

test("greedy tokens are those of generate", async () => {
  const model = tinyLlama();
  const [expected] = await generate(model, [tokenizer.encode("hello")], { maxNewTokens: 12 });
  const engine = await createEngine({ model, tokenizer, servedModelName: "tiny" });
  const events = await all(engine, { maxNewTokens: 12, ignoreEos: true });
  expect(events.flatMap((event) => (event.type === "token" ? [event.token] : []))).toEqual(expected);
  expect(events[0]).toEqual({ type: "started", promptTokens: 5, cachedTokens: 0, version: null });
  expect(events.at(-1)).toEqual({
    ...{ type: "finished", reason: "length", promptTokens: 5, newTokens: 12, cachedTokens: 0 },
  });
  await engine.close();
});
