// `@lowrank/serve/node`: the parts of the HTTP server that need Node.

export { type PromMetricsOptions, promMetrics } from "../metrics/promMetrics.ts";
export { type Listening, type ListenOptions, listen } from "./listen.ts";
