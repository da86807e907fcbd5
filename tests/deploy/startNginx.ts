import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startProcess, untilAnswers } from "@lowrank/test-support/process";

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

/** The ports and log files of a local deployment. */
interface LocalPlaces {
  readonly port: number;
  /** The ports of replica-1, replica-2, ..., in order. */
  readonly replicas: readonly number[];
  readonly accessLog: string;
  readonly errorLog: string;
}

/**
 * Returns the published configuration with the addresses and logs of this machine; other lines are unchanged. Throws if
 * it names an unknown replica, or lacks one of these lines.
 */
export function localNginxConfig(published: string, { port, replicas, accessLog, errorLog }: LocalPlaces): string {
  const swap = (text: string, pattern: RegExp, by: (...match: string[]) => string): string => {
    if (!pattern.test(text)) throw new Error(`nginx.conf has no line like ${pattern}`);
    return text.replace(pattern, by);
  };
  let text = swap(published, /\bserver replica-(\d+):8000\b/g, (_, number) => {
    const local = replicas[Number(number) - 1];
    if (local === undefined) throw new Error(`nginx.conf names replica-${number}; only ${replicas.length} are started`);
    return `server 127.0.0.1:${local}`;
  });
  text = swap(text, /\blisten 8080;/g, () => `listen 127.0.0.1:${port};`);
  text = swap(text, /\baccess_log \/dev\/stdout\b/g, () => `access_log ${accessLog}`);
  return swap(text, /\berror_log \/dev\/stderr\b/g, () => `error_log ${errorLog}`);
}

/** One request in nginx's log. */
interface LoggedRequest {
  readonly path: string;
  readonly status: number;
  readonly adapter: string;
  /** The ports of the replicas that were tried, in order. */
  readonly replicas: readonly number[];
}

/** Reads the log of the published configuration. */
export function readAccessLog(log: string): LoggedRequest[] {
  return [...log.matchAll(/^\S+ \S+ (\S+) (\d+) \S+ adapter="(.*?)" replica=(.*) answered=/gm)].map(
    ([, path, status, adapter, tried]) => {
      const replicas = [...tried.matchAll(/:(\d+)/g)].map(([, port]) => Number(port));
      return { path, status: Number(status), adapter: adapter === "-" ? "" : adapter, replicas };
    },
  );
}
