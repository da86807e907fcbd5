// `@lowrank/serve/node`: the parts of the HTTP server that need Node.
export { type Listening, listen } from "./listen.ts";
export { promMetrics } from "./promMetrics.ts";
