// The entry "lowrank/testing/jest".
import "@lowrank/testing/jest";

export type { LowrankMatchers } from "@lowrank/testing/jest";
