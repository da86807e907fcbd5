// The entry "lowrank/testing/fast-check".
export * from "@lowrank/testing/fast-check";
