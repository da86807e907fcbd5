import type { Equivalents } from "./equivalents.ts";

export const core: Equivalents = [];
