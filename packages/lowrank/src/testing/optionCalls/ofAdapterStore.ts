import { adapterStore, s3Place } from "@lowrank/serve";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const place: Untyped = {};

/** Calls of the adapter store. */
export const ofAdapterStore: OptionCalls = {
  s3Place: (o) => s3Place({ bucket: "b", ...o }),
  adapterStore: (o) => adapterStore({ place, maxAdapterBytes: 1, ...o }),
};
