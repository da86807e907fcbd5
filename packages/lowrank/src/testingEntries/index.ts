// The entry "lowrank/testing".
export * from "@lowrank/testing";
