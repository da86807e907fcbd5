// `@lowrank/serve/node`: the parts of the HTTP server that need Node.

export { type PromMetricsOptions, promMetrics } from "../metrics/promMetrics.ts";
export { type Listening, listen } from "./listen.ts";
