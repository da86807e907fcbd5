import type { Equivalents } from "./equivalents.ts";

export const files: Equivalents = [];
