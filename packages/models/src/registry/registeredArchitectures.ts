import type { Architecture } from "../model/architecture.ts";

/** The architectures registered by users, by `modelType`. */
export const registered: Map<string, Architecture> = new Map();
