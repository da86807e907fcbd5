import type { JsonFields } from "../config/jsonFields.ts";
import { type RopeScaling, ropeKindOf, ropeKinds } from "./rope/ropeKinds.ts";

/** The settings of a rotary embedding: its base `theta` and its scaling for long contexts. */
export interface RopeConfig {
  theta: number;
  /** The fraction of a head's elements that rotate, counted from the first element. */
  partialRotaryFactor: number;
  scaling: RopeScaling | null;
}

/** An architecture's defaults for its rotary embedding. */
export interface RopeDefaults {
  /** Base of the rotary frequencies. Default 10000. */
  readonly theta?: number;
  /** Fraction of a head's elements that rotate. Default 1. */
  readonly partialRotaryFactor?: number;
  /** Default of `original_max_position_embeddings`. If it is undefined, the default is `max_position_embeddings`. */
  readonly originalMaxPositionEmbeddings?: number;
  /** Other names of scalings in this architecture's configs, such as "su", and the `rope_type` that each means. */
  readonly kindNames?: Readonly<Record<string, RopeScaling["type"]>>;
}

/** Values required to read the settings of a rotary embedding: sizes of the model, and defaults of its architecture. */
interface RopeContext extends RopeDefaults {
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
}

const ropeTypes = ["default", ...(Object.keys(ropeKinds) as (keyof typeof ropeKinds)[])] as const;

/** Reads `rope_parameters` (transformers 5), else `rope_theta` and `rope_scaling` (transformers 4). */
export function readRope(fields: JsonFields, context: RopeContext): RopeConfig {
  return ropeFrom(fields, fields.object("rope_parameters") ?? fields.object("rope_scaling"), context);
}

/**
 * Reads the settings of a rotary embedding from `parameters`. Keys that are missing in `parameters` are read from
 * `fields`, the whole config.
 */
export function ropeFrom(fields: JsonFields, parameters: JsonFields | undefined, context: RopeContext): RopeConfig {
  const where = (key: string) => (parameters?.raw(key) === undefined ? fields : parameters);
  const theta = where("rope_theta").positive("rope_theta", context.theta ?? 10000);
  const key = "partial_rotary_factor";
  const type = parameters ? scalingType(parameters, context) : "default";
  const spansHead = type !== "default" && ropeKinds[type].spansHead;
  const partialRotaryFactor = spansHead ? 1 : where(key).number(key, context.partialRotaryFactor ?? 1);
  const rotaryDim = rotaryDimOf({ partialRotaryFactor }, context.headDim);
  if (!(partialRotaryFactor <= 1 && rotaryDim >= 2 && rotaryDim % 2 === 0)) {
    throw where(key).bad(
      key,
      `at most 1, and an even number of the head's ${context.headDim} numbers; these are ${rotaryDim}`,
    );
  }
  return {
    theta,
    partialRotaryFactor,
    scaling: parameters && type !== "default" ? readScaling(type, fields, parameters, rotaryDim, context) : null,
  };
}

/** Returns the number of elements of a head that are rotated. */
export function rotaryDimOf({ partialRotaryFactor }: Pick<RopeConfig, "partialRotaryFactor">, headDim: number): number {
  return Math.trunc(headDim * partialRotaryFactor);
}

function scalingType(parameters: JsonFields, { kindNames }: RopeContext): (typeof ropeTypes)[number] {
  const key = parameters.raw("rope_type") === undefined ? "type" : "rope_type";
  return kindNames?.[String(parameters.raw(key))] ?? parameters.oneOf(key, ropeTypes, "default");
}

function readScaling(
  type: RopeScaling["type"],
  fields: JsonFields,
  parameters: JsonFields,
  rotaryDim: number,
  { maxPositionEmbeddings, ...context }: RopeContext,
): RopeScaling {
  const original = "original_max_position_embeddings";
  const own = fields.raw(original) === undefined ? context.originalMaxPositionEmbeddings : fields.integer(original);
  return ropeKinds[type].read(parameters, {
    rotaryDim,
    maxPositionEmbeddings,
    originalMaxPositionEmbeddings: own ?? parameters.integer(original, maxPositionEmbeddings),
  });
}

/** Returns the keys `rope_theta` and `rope_scaling` as transformers 4 writes them. */
export function ropeToHf({ theta, partialRotaryFactor, scaling }: RopeConfig): Record<string, unknown> {
  return {
    ...(partialRotaryFactor === 1 ? {} : { partial_rotary_factor: partialRotaryFactor }),
    rope_theta: theta,
    rope_scaling: scaling && { ...ropeKindOf(scaling).write(scaling), rope_type: scaling.type },
  };
}

/** Returns the maximum number of positions: `maxPositionEmbeddings`, or the scaling's own maximum if that is larger. */
export function ropeReach({ scaling }: RopeConfig, maxPositionEmbeddings: number): number {
  return Math.max(maxPositionEmbeddings, (scaling && ropeKindOf(scaling).reach?.(scaling)) ?? 0);
}
