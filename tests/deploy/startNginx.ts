import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startProcess, untilAnswers } from "@lowrank/test-support/process";
import { type LoggedRequest, localNginxConfig, readAccessLog } from "./nginxConfig.ts";

const published = join(import.meta.dirname, "../../docs/deploy/nginx.conf");

/** A running nginx. */
export interface Nginx {
  readonly url: string;
  /** Waits until it accepts requests. */
  answers(): Promise<void>;
  /** Returns the logged requests so far. */
  requests(): LoggedRequest[];
  stop(): Promise<unknown>;
}

/** True if nginx is installed. */
export const hasNginx: boolean = spawnSync("nginx", ["-v"]).status === 0;

/** Starts nginx with docs/deploy/nginx.conf, and its files in `folder`. */
export function startNginx(folder: string, port: number, replicas: readonly number[]): Nginx {
  const accessLog = join(folder, "access.log");
  const errorLog = join(folder, "nginx.log");
  const config = join(folder, "nginx.conf");
  writeFileSync(config, localNginxConfig(readFileSync(published, "utf8"), { port, replicas, accessLog, errorLog }));
  const isRoot = process.getuid?.() === 0;
  const own = `daemon off; pid ${join(folder, "nginx.pid")};${isRoot ? " user root;" : ""}`;
  const url = `http://127.0.0.1:${port}`;
  const started = startProcess(["nginx", "-e", errorLog, "-p", folder, "-c", config, "-g", own], { log: errorLog });
  return {
    url,
    answers: () => untilAnswers(`${url}/health`, started, errorLog),
    requests: () => readAccessLog(readFileSync(accessLog, "utf8")),
    stop: () => {
      started.kill("SIGTERM");
      return started.ended;
    },
  };
}
