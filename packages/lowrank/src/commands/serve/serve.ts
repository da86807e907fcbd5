import { Command, InvalidArgumentError, Option } from "commander";
import { integer, number, threadsOption, weightsOption, wideSimdOption } from "../../cli/argument.ts";
import { parseBytes } from "../../cli/byteCount.ts";
import { backendOption } from "../../cli/loading/backends.ts";
import { addModelOption } from "../../cli/loading/modelOption.ts";

const examples = `
Examples:
  $ lowrank serve ./model --adapter poet=./adapters/poet --adapter judge=./adapters/judge
  $ lowrank serve ./model.gguf --weights packed --activations int8 --store ./adapters --api-key-file keys.yaml
  $ lowrank serve ./encoder
  $ lowrank serve ./model --store ./adapters --fine-tuning
  $ lowrank serve --config serve.yaml

It answers OpenAI's API, and vLLM's for adapters; /openapi.json describes it and / is a page to try it. An encoder, such
as a BERT of sentence-transformers, gives embeddings. A first SIGTERM or Ctrl-C lets running requests end, a second
Ctrl-C ends at once.`;

/** Returns the `lowrank serve` command. `plugins` are the plugin modules; the engine's Worker imports them. */
export function serveCommand(plugins: readonly string[]): Command {
  return addModelOption(new Command("serve"), "config")
    .summary("serves a model and its adapters with an OpenAI-compatible HTTP API")
    .description(
      "Serves a model and any number of adapters over HTTP. Requests for different adapters share a batch; the field `model` of a request names its adapter.",
    )
    .option("--config <file>", "YAML or JSON file with any of the options below; the command line overrides it")
    .option(
      "--served-model-name <name>",
      "name of the base model in API requests (default: the name of its folder or file)",
    )
    .option(
      "--adapter <name=path>",
      "serve this adapter under this name; the path is a folder, or a path in --store; may be repeated",
      adapters,
    )
    .option(
      "--store <place>",
      "where adapters are stored: a folder with one subfolder per adapter, or s3://bucket/prefix; an adapter is loaded at its first request",
    )
    .option("--fine-tuning", "accept fine-tuning jobs over HTTP and train them on this machine at the lowest priority")
    .option(
      "--queue <url>",
      "accept fine-tuning jobs over HTTP and send them to the workers of this Redis queue, as redis://host:port",
    )
    .option("--max-upload <bytes>", "largest file that may be uploaded for fine-tuning (default: 512MB)", byteCount)
    .option("--max-files <n>", "maximum number of uploaded files per API key (default: 1000)", integer(1))
    .option(
      "--max-jobs <n>",
      "maximum number of fine-tuning jobs of one API key that wait or run (default: 10)",
      integer(1),
    )
    .option(
      "--max-job-minutes <n>",
      "maximum number of minutes that a fine-tuning job trains (default: 720)",
      number({ above: 0 }),
    )
    .option(
      "--max-job-steps <n>",
      "maximum number of training steps of a fine-tuning job (default: 100000)",
      integer(1),
    )
    .option(
      "--max-job-rank <n>",
      "largest adapter rank of a fine-tuning job (default: 256, or --max-lora-rank)",
      integer(1),
    )
    .option(
      "--key-requests <n>",
      "maximum number of sequences of one API key that run or wait (default: a share of --max-pending)",
      integer(1),
    )
    .option(
      "--key-tokens-per-minute <n>",
      "most prompt and generated tokens per API key and minute (default: no limit)",
      integer(1),
    )
    .option(
      "--key-adapter-memory <bytes>",
      "most bytes of adapters that one API key uses at the same time (default: no limit)",
      byteCount,
    )
    .option(
      "--key-stored-bytes <bytes>",
      "most bytes of files and fine-tuned adapters per API key in --store (default: 20GB)",
      byteCount,
    )
    .option(
      "--key-trainer-minutes <n>",
      "maximum number of minutes of training per API key and day (default: no limit)",
      number({ above: 0 }),
    )
    .option(
      "--adapter-memory <bytes>",
      "memory for loaded adapters; if more is needed, adapters with few and old uses are unloaded (default: 256MB)",
      byteCount,
    )
    .option("--max-lora-rank <n>", "largest rank of an adapter that is loaded (default: no limit)", integer(1))
    .option("--host <address>", "address to listen on; 0.0.0.0 means all addresses (default: 127.0.0.1)")
    .option("--port <n>", "port to listen on; 0 chooses a free port (default: 8000)", integer(0, 65535))
    .option(
      "--api-key-file <file>",
      "YAML or JSON list of API keys, each with id, sha256, adapters, base, admin, operator, budgets; read again when it changes (default: no keys, open to all)",
    )
    .option(
      "--allowed-hosts <names>",
      "host names, separated by commas, that requests may use for this server besides localhost and IP addresses; .example.com includes all subdomains",
    )
    .addOption(weightsOption())
    .addOption(
      new Option(
        "--activations <type>",
        "int8: with --weights packed, round layer inputs to 8-bit integers; faster, less exact",
      ).choices(["int8"]),
    )
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(wideSimdOption())
    .option(
      "--max-num-seqs <n>",
      "maximum number of sequences that are generated at the same time (default: 64)",
      integer(1),
    )
    .option(
      "--max-num-batched-tokens <n>",
      "maximum number of tokens that one forward pass computes (default: the larger of 128 and --max-num-seqs; 2048 for an encoder)",
      integer(1),
    )
    .option(
      "--max-model-len <n>",
      "maximum number of tokens of a sequence, prompt and answer together (default: the most that the model and the KV cache can hold)",
      integer(1),
    )
    .option("--kv-cache-tokens <n>", "size of the KV cache in tokens (default: as many as fit 256 MiB)", integer(1))
    .option("--max-body <bytes>", "largest request body in bytes (default: 1MiB)", byteCount)
    .option(
      "--max-prompt-tokens <n>",
      "maximum number of tokens of a prompt (default: the model's maximum length)",
      integer(1),
    )
    .option(
      "--max-pending <n>",
      "maximum number of sequences that run or wait on this server; further requests get status 429 (default: 256)",
      integer(1),
    )
    .option(
      "--request-timeout <seconds>",
      "seconds after which an unfinished request is ended (default: 600)",
      number({ above: 0 }),
    )
    .option(
      "--send-timeout <seconds>",
      "seconds after which the connection of a client that does not read its answer is closed (default: 60)",
      number({ above: 0 }),
    )
    .addOption(
      new Option(
        "--log-format <how>",
        "format of the log on stderr (default: pretty on a terminal, else json)",
      ).choices(["json", "pretty"]),
    )
    .addOption(
      new Option("--log-level <level>", "least severe level that is logged (default: info)").choices([
        ...["trace", "debug", "info", "warn", "error", "fatal", "silent"],
      ]),
    )
    .addHelpText("after", examples)
    .action(async (_, __, command: Command) => {
      const { config, adapter, ...flags } = givenFlags(command);
      const { readServeSettings } = await import("./serveSettings.ts");
      const { runServer } = await import("./runServer.ts");
      const settings = await readServeSettings(
        { ...flags, ...(adapter !== undefined && { adapters: adapter }) },
        config as string | undefined,
      );
      await runServer(settings, plugins);
    });
}

/** Returns the options that the command line sets, by the names of their flags. */
function givenFlags(command: Command): Record<string, unknown> {
  const given = command.options.flatMap((option) => {
    const name = option.attributeName();
    const value: unknown = command.getOptionValue(name);
    const isDefault = command.getOptionValueSource(name) === "default";
    return value === undefined || isDefault || option.long === "--plugin"
      ? []
      : [[(option.long as string).slice(2), value]];
  });
  return Object.fromEntries(given);
}

function adapters(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("Expected name=path.");
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`There are two adapters named ${name}.`);
  return { ...before, [name]: path };
}

function byteCount(text: string): number {
  const found = parseBytes(text);
  if (found !== null) return found;
  throw new InvalidArgumentError("Expected a number of bytes, such as 256MB or 1GiB.");
}
