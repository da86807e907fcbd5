import type { JsonFields } from "./jsonFields.ts";

/** Rotary embedding: the base of its wavelengths, and how they are stretched for long contexts. */
export interface RopeConfig {
  theta: number;
  scaling: null | LinearRopeScaling | Llama3RopeScaling;
}

/** Positions divided by `factor`. */
export interface LinearRopeScaling {
  type: "linear";
  factor: number;
}

/** Llama 3.1's scaling by wavelength. */
export interface Llama3RopeScaling {
  type: "llama3";
  factor: number;
  lowFreqFactor: number;
  highFreqFactor: number;
  originalMaxPositionEmbeddings: number;
}

const ropeTypes = ["default", "linear", "llama3"] as const;

/**
 * Reads `rope_parameters` as transformers 5 writes them, else `rope_theta` and
 * `rope_scaling` of transformers 4.
 */
export function readRope(fields: JsonFields): RopeConfig {
  const parameters = fields.object("rope_parameters");
  const scaling = parameters ?? fields.object("rope_scaling");
  const theta = (parameters?.raw("rope_theta") === undefined ? fields : parameters).number("rope_theta", 10000);
  if (theta <= 0) throw fields.bad("rope_theta", "a positive number");
  const rotary = (scaling ?? fields).number("partial_rotary_factor", 1);
  if (rotary !== 1)
    throw (scaling ?? fields).bad("partial_rotary_factor", "1, since partial rotation is not supported");
  return { theta, scaling: scaling ? readScaling(scaling) : null };
}

function readScaling(fields: JsonFields): RopeConfig["scaling"] {
  const type = fields.oneOf(fields.raw("rope_type") === undefined ? "type" : "rope_type", ropeTypes, "default");
  if (type === "default") return null;
  const factor = fields.number("factor");
  if (factor < 1) throw fields.bad("factor", "a number of at least 1");
  if (type === "linear") return { type, factor };
  const lowFreqFactor = fields.number("low_freq_factor");
  const highFreqFactor = fields.number("high_freq_factor");
  if (highFreqFactor <= lowFreqFactor)
    throw fields.bad("high_freq_factor", `more than low_freq_factor ${lowFreqFactor}`);
  const originalMaxPositionEmbeddings = fields.integer("original_max_position_embeddings");
  return { type, factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings };
}

/** The keys `rope_theta` and `rope_scaling` as transformers 4 writes them. */
export function ropeToHf({ theta, scaling }: RopeConfig): Record<string, unknown> {
  return { rope_theta: theta, rope_scaling: scaling && scalingToHf(scaling) };
}

function scalingToHf(scaling: LinearRopeScaling | Llama3RopeScaling): Record<string, unknown> {
  if (scaling.type === "linear") return { factor: scaling.factor, rope_type: scaling.type };
  return {
    factor: scaling.factor,
    high_freq_factor: scaling.highFreqFactor,
    low_freq_factor: scaling.lowFreqFactor,
    original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
    rope_type: scaling.type,
  };
}
