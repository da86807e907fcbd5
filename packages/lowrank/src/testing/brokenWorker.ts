// Script of a Worker that fails, for tests.
throw new Error("this script is broken");

export {};
