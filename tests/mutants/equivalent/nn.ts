import type { Equivalents } from "./equivalents.ts";

export const nn: Equivalents = [];
