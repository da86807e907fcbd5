// Runs in a page: the training loops, when told to.
import { mlpLoops } from "./mlpLoops.ts";

Object.assign(globalThis, { mlpLoops });
