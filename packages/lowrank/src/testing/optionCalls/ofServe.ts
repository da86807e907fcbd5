import { createEmbeddingEngine, createEngine } from "@lowrank/serve";
import { createApp } from "@lowrank/serve/http";
import { listen, promMetrics } from "@lowrank/serve/node";
import { tinyLlama } from "../tinyLlama.ts";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const engine: Untyped = {};

/** Calls of the server. */
export const ofServe: OptionCalls = {
  createApp: (o) => createApp({ engine, ...o }),
  createEngine: async (o) =>
    createEngine({ model: tinyLlama() as Untyped, tokenizer: null as Untyped, servedModelName: "", ...o }),
  createEmbeddingEngine: async (o) =>
    createEmbeddingEngine({ model: tinyLlama() as Untyped, tokenizer: null as Untyped, servedModelName: "", ...o }),
  promMetrics: (o) => promMetrics(o),
  listen: (o) => listen({ fetch: () => new Response() }, 0, "127.0.0.1", o),
  "createApp: limits": (limits) => createApp({ engine, limits }),
};
