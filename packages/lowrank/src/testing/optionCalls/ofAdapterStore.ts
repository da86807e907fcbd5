import { AdapterStore, s3Place } from "@lowrank/serve";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const made: Untyped = { place: { pathOf: (path: string) => path }, host: {}, maxAdapterBytes: 1 };

/** Those of the adapter store. */
export const ofAdapterStore: OptionCalls = {
  s3Place: (o) => s3Place({ bucket: "b", ...o }),
  "new AdapterStore": (o) => new AdapterStore({ ...made, ...o }),
  "AdapterStore#load": (o) => new AdapterStore(made).load("name", "path", o as Untyped),
};
