// Runs in a web page: provides the training loops to the benchmark.
import { mlpLoops } from "./mlpLoops.ts";

Object.assign(globalThis, { mlpLoops });
