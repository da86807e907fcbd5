import { type DynamicRopeScaling, dynamic } from "./dynamic.ts";
import { type LinearRopeScaling, linear } from "./linear.ts";
import { type Llama3RopeScaling, llama3 } from "./llama3.ts";
import { type LongRopeScaling, longrope } from "./longrope.ts";
import { type ProportionalRopeScaling, proportional } from "./proportional.ts";
import type { RopeKind } from "./ropeKind.ts";
import { type YarnRopeScaling, yarn } from "./yarn.ts";

/** The settings of any kind of rotary scaling. */
export type RopeScaling =
  | DynamicRopeScaling
  | LinearRopeScaling
  | Llama3RopeScaling
  | LongRopeScaling
  | ProportionalRopeScaling
  | YarnRopeScaling;

/** The scalings of rotary embeddings, by transformers' `rope_type`. */
export const ropeKinds: { readonly [T in RopeScaling["type"]]: RopeKind<Extract<RopeScaling, { type: T }>> } = {
  dynamic,
  linear,
  llama3,
  longrope,
  proportional,
  yarn,
};

/** Returns the kind of scaling to which the settings belong. */
export function ropeKindOf(scaling: RopeScaling): RopeKind<RopeScaling> {
  return ropeKinds[scaling.type] as RopeKind<RopeScaling>;
}
