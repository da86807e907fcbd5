import { AdapterStore } from "@lowrank/serve";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const made: Untyped = { place: { pathOf: (path: string) => path }, host: {}, maxAdapterBytes: 1 };

/** Those of the adapter store. */
export const ofAdapterStore: OptionCalls = {
  "new AdapterStore": (o) => new AdapterStore({ ...made, ...o }),
  "AdapterStore#load": (o) => new AdapterStore(made).load("name", "path", o as Untyped),
};
