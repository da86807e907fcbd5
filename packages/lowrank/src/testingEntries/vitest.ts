// The entry "lowrank/testing/vitest".
import "@lowrank/testing/vitest";

export type { LowrankMatchers } from "@lowrank/testing/vitest";
