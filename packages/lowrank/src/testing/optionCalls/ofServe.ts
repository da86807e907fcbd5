import { adapterStore, createEmbeddingEngine, createEngine, s3Place } from "@lowrank/serve";
import { createApp } from "@lowrank/serve/http";
import { bullQueue, fineTuneWorker, keepFilled, localQueue } from "@lowrank/serve/jobs";
import { listen, promMetrics } from "@lowrank/serve/node";
import { tinyLlama } from "../tinyLlama.ts";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const any: Untyped = {};

/** Calls of the server. */
export const ofServe: OptionCalls = {
  createApp: (o) => createApp({ engine: any, ...o }),
  createEngine: async (o) =>
    createEngine({ model: tinyLlama() as Untyped, tokenizer: null as Untyped, servedModelName: "", ...o }),
  createEmbeddingEngine: async (o) =>
    createEmbeddingEngine({ model: tinyLlama() as Untyped, tokenizer: null as Untyped, servedModelName: "", ...o }),
  promMetrics: (o) => promMetrics(o),
  listen: (o) => listen({ fetch: () => new Response() }, 0, "127.0.0.1", o),
  "createApp: limits": (limits) => createApp({ engine: any, limits }),
  s3Place: (o) => s3Place({ bucket: "b", ...o }),
  adapterStore: (o) => adapterStore({ place: any, maxAdapterBytes: 1, ...o }),
  bullQueue: (o) => bullQueue({ url: "", model: "m", ...o }),
  fineTuneWorker: (o) => fineTuneWorker({ store: any, place: any, train: any, ...o }),
  keepFilled: (o) => keepFilled(any, any, "m", o),
  localQueue,
};
