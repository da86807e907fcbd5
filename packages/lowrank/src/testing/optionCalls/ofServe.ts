import { createApp } from "@lowrank/serve/http";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const engine: Untyped = {};

/** Those of the server. */
export const ofServe: OptionCalls = {
  createApp: (o) => createApp({ engine, ...o }),
  "createApp: limits": (limits) => createApp({ engine, limits }),
};
