import type { Architecture } from "../model/architecture.ts";

/** The architectures from outside, by their `modelType`. */
export const registered: Map<string, Architecture> = new Map();
