import type { Equivalents } from "./equivalents.ts";

export const nano: Equivalents = [];
