/**
 * The rooms of each package and of other folders with their contents, lowest first. A file imports values and types
 * only from its own room and from lower ones. A room is a folder of a package's `src`, or a folder inside it if it is
 * listed. `pnpm docs:rooms` writes the table to docs/design/imports.md.
 */
export const rooms: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  core: {
    internal: "option checks, nearest names and other helpers that use no tensor",
    layout: "dtypes, shapes, broadcasting, half precision",
    sampling: "settings and probabilities of the next token",
    modes: "scoped settings: gradients on or off, precision of products",
    backends: "what a backend is, and the one in JavaScript that others are compared with",
    engine: "tensors, their memory, how an op runs and is recorded",
    random: "the random numbers of PyTorch and of kernels",
    creation: "tensors from values, ranges and random numbers",
    packed: "block formats of quantised weights: GGUF's and bitsandbytes'",
    ops: "one file an op: shape rule, reference, gradient",
    autograd: "backward, checkpoints of activations, `grad` and its relatives",
    transfer: "tensors between backends, without values, or from parts",
    safetensors: "reading and writing safetensors files",
    quantize: "packed tensors, and tensors to and from bitsandbytes' form",
    linalg: "singular values, QR, eigenvectors",
    functional: "the functions that users call, with PyTorch's arguments",
  },
  files: {
    interface: "what a folder of files is",
    disk: "temporary names, full disks and locks of a disk",
    sources: "ranges of bytes from a server",
    writing: "files and folders that replace others only when they are complete",
    places: "folders on disk, in memory, in a browser, at an address",
    hub: "the Hugging Face Hub and its cache",
    open: "one file or a folder by its path, address or Hub name",
  },
  wasm: {
    kernels: "tensors to addresses and sizes, a file for an op or for a family of small ones; the list of kernels",
    memory: "the heap of WebAssembly memory",
    threads: "workers, and how a call is cut into parts for them",
    builds: "the compiled modules, and the choice between them",
  },
  webgpu: {
    kernel: "what a kernel is: shader, bindings, split, example",
    wgsl: "parts of shaders",
    selfCheck: "kernels are tried on this GPU before they are used",
    memory: "writes from the host, faults that kernels report",
    kernels: "one file an op",
    device: "the backend: device, pipelines, recording, reading",
  },
  nn: {
    module: "modules, parameters, state dicts",
    attention: "key-value caches, packed documents, what attention layers need",
    schedules: "schedules of learning rates",
    optim: "optimizers",
    layers: "embeddings, convolutions, pooling, activations, dropout; sizes and starting values of layers",
    "layers/linear": "linear layers, of GPT-2 and in 4 bits too",
    "layers/norms": "normalisation: by layer, by batch, by root mean square",
    "layers/attention": "PyTorch's multi-head attention",
    quantize: "a module's layers in 4 bits or with int8 activations",
  },
  models: {
    jinja: "the template language of chat templates",
    config: "fields of config.json that architectures share",
    rope: "rotary positions and their scaling",
    "tokenizer/pipeline": "steps of `tokenizer.json`: normalizers, pre-tokenizers, added tokens, decoders",
    "tokenizer/pipeline/tokenModels": "words to ids: BPE, Unigram, WordPiece, WordLevel",
    tokenizer: "text to ids and back, chat templates",
    gguf: "the GGUF format: types, metadata, tokenizers, forms that architectures fill in",
    model: "what a model is: batches, heads, sources of parameters, hidden states",
    layers: "layers that several architectures use",
    architectures: "a folder for each `model_type`: model, config, GGUF form",
    registry: "the list of architectures by `model_type`",
    "registry/configs": "configs by `model_type`: reading, writing, presets",
    "registry/build": "models by `model_type`, and descriptions of them",
    "generation/settings": "options of generation: penalties, banned tokens, processors, stops, prefix cache",
    "generation/decoding": "`generate`: the rows of a batch, one token at a time, sampled or with beams",
    "generation/text": "`generateText` and `streamText`: prompts and chats, text as it comes, its end",
    checkpoint: "loading and saving: Hugging Face folders, GGUF files, quantised checkpoints",
  },
  peft: {
    random: "random numbers of PyTorch for starting values",
    torchFiles: "PyTorch's `.bin` files",
    config: "the base of configurations and their checks",
    targets: "which modules a configuration names",
    layers: "the wrappers that replace modules",
    prompt: "virtual tokens and what makes them",
    "methods/shared": "what a method is, and parts that several methods use",
    "methods/prompt": "prompt, prefix, P- and multitask prompt tuning, cartridges, CPT, adaption prompts",
    "methods/orthogonal": "OFT, BOFT, HRA, RoAd",
    "methods/spectral": "FourierFT, WaveFT, C3A",
    "methods/sparse": "SHiRA, Super-Tuning",
    "methods/fromWeights": "DEFT, PEANuT: updates that are computed from the weights",
    "methods/lycoris": "LoHa, LoKr",
    "methods/lora": "LoRA, DoRA, LoftQ, EVA, and their starting values",
    "methods/singular": "OSF, PSOFT, FRoD, AdaMSS, which start from singular vectors of weights",
    "methods/vectors": "IA3, GLoRA, BitFit, BEFT, LN tuning, trainable tokens",
    "methods/sharedVectors": "VeRA, PVeRA, VB-LoRA, TinyLoRA, Uni-LoRA: few vectors and what all layers share",
    "methods/lowRank": "AdaLoRA, DeLoRA, GraLoRA, HiRA, Lily, MiSS, RandLoRA",
    "methods/routed": "Poly, X-LoRA: adapters that a router mixes",
    "methods/shadow": "Shadow: a second decoder next to the model",
    "methods/bottleneck": "bottleneck adapters",
    methods: "the list of methods, and custom methods",
    source: "opening the files of an adapter",
    "model/adapter": "one adapter: its plan, its parts, its tensors",
    model: "a model with adapters: adding, switching, rows, outputs",
    merge: "merging adapters into weights",
    files: "PEFT's files",
    foreign: "files of mlx-lm and others",
    saved: "an adapter's way to files and back",
    weighted: "adapters made of others",
    peftModel: "`PeftModel` and `getPeftModel`",
    updates: "what adapters and trainings change, as matrices: their rank, and lower ranks",
    starts: "what is done before a training: EVA, `prepareModelForKbitTraining`",
    optimizers: "optimisers of LoRA: LoRA+, LoRA-FA, Riemannian preconditioning",
    helpers: "functions of PEFT on a `PeftModel`: states, scalings, gradients, condition numbers, intruders",
    plan: "what an adapter will cost",
  },
  train: {
    data: "datasets, their order, rows of equal length, checksums",
    "data/tokens": "examples, their tokens and labels",
    "data/packing": "several examples in a row",
    "data/batches": "batches of examples, and as inputs of a model",
    tasks: "losses: language models, preferences, embeddings, custom tasks",
    evaluation: "losses and metrics of data, benchmarks",
    datasets: "files of records: JSON lines, CSV, Parquet, streams",
    options: "the options of `Trainer`",
    checkpoint: "saving a run and resuming it",
    trainer: "`Trainer`, its steps, learning rates, non-finite steps",
    cartridges: "cartridges that learn a text from the model's own answers",
  },
  testing: {
    errors: "the error of a failed property",
    subjects: "models, configurations, inputs and adapter values as plain data",
    comparing: "outputs of layers before and after, and what rounding explains",
    "properties/shared": "what all properties use: models with adapters, options, failures, declared ranks and alphas",
    "properties/config": "the property that ranks and alphas take effect",
    properties: "one file a property, and which methods are exempt",
    statistics: "comparisons of two systems on the same items",
    "suite/shared": "what suites and reports hold; checks and comparisons that their parts share",
    "suite/answers": "answers to prompts, and what is expected of them",
    "suite/texts": "held-out loss, forgetting and drift",
    "suite/masks": "which tokens of training examples are learned",
    suite: "`runSuite`, and reports for CI",
    matchers: "matchers for `expect` of Vitest and Jest",
    arbitraries: "fast-check's arbitraries of models, configurations, inputs and adapter values",
    checking: "`checkMethod`: all properties on drawn or fixed cases",
  },
  serve: {
    api: "requests, answers, errors and adapters of an engine; who makes a request",
    page: "the status page",
    origins: "checks of a request's Origin and Host",
    metrics: "counters and histograms of an engine",
    storage: "folders and S3 buckets of adapters and jobs",
    cache: "pages of keys and values",
    access: "who may use what",
    "adapters/cache": "adapters in memory: their states, their memory by tenant, their uses",
    adapters: "the adapter store: manifest, files of adapters, loads",
    jobs: "fine-tuning jobs: their store, queues, worker",
    "engine/requests": "prompts and settings of requests, and their checks",
    "engine/scheduling": "which requests run in the next pass",
    "engine/answers": "answers: the choice of tokens, their text, events, errors",
    engine: "batching: options, passes, adapters on the model",
    worker: "an engine in a Worker",
    embedding: "the engine of embeddings",
    budgets: "limits of a key: requests, tokens, memory, bytes, jobs",
    "http/metrics": "metrics for Prometheus and for code",
    "http/requests": "bodies, ids and errors of requests",
    "http/app": "what all routes share: keys, limits, running requests",
    "http/streams": "answers in pieces",
    "http/fields": "fields of OpenAI's and vLLM's requests",
    "http/routes": "the routes",
    http: "the app and the server",
  },
  lowrank: {
    testingEntries: "`lowrank/testing` and its entries for test runners",
    load: "loading models on a backend that starts by itself",
    worker: "a model or an engine in a Web Worker",
    "report/page": "HTML pages and their charts",
    report: "tables, and reports as pages",
    "report/comparison": "costs of methods on a model, as data and as text",
    "report/pictures": "costs of methods as a page and as Vega-Lite charts",
    cli: "options, output and errors that commands share",
    "commands/completion": "`lowrank completion`",
    "commands/info": "`lowrank info`",
    "commands/inspect": "`lowrank inspect`",
    "commands/convert": "`lowrank convert`",
    "commands/plan": "`lowrank plan`",
    "commands/train": "`lowrank train`",
    "commands/report": "`lowrank report`",
    "commands/merge": "`lowrank merge`",
    "commands/generate": "`lowrank generate`",
    "commands/eval": "`lowrank eval`",
    "commands/test": "`lowrank test`",
    "commands/chat": "`lowrank chat`",
    compare: "one run of a comparison",
    fineTuning: "fine-tuning jobs, each in its own process",
    "commands/worker": "`lowrank worker`",
    "commands/sweep": "`lowrank sweep`",
    "commands/serve": "`lowrank serve`",
    "commands/compare": "`lowrank compare`",
    program: "the command line",
  },
  assembly: {
    simd: "vectors: loads, sums, powers, moves that several kernels use",
    elementwise: "each element by itself: activations, dropout, arithmetic",
    "integer/tiles": "tiles of products of bytes",
    formats: "formats of weights: their ids; f16, bf16 and bitsandbytes' 4 bits",
    "formats/gguf": "GGUF's formats: their values, products with a row",
    "formats/dispatch": "a weight of any format: its values, products with a row, casts",
    quantize: "4- and 8-bit blocks of bitsandbytes",
    indexing: "copies, rows by index, windows",
    gemm: "matrix products, and products with packed rows",
    attention: "attention and rotary positions",
    integer: "codes of rows in 8 to 16 bits, and products of 16-bit codes",
    "integer/bytes": "products of int8 activations with weights of each format",
    reductions: "sums, extrema, norms, softmax, losses",
    optimizers: "steps of optimizers",
    "formats/kPack": "quantisers of K-blocks, compiled as a separate module",
  },
  tests: {
    support: "helpers that the tests of several packages share, as `@lowrank/test-support`",
    runner: "`pnpm test`: Vitest, and what it counts",
    "runner/browser": "tests in pages and Web Workers of Chromium",
    "golden/check": "what a check is, and where golden data is",
    "golden/ops": "ops, optimizers and 4-bit blocks against PyTorch",
    "golden/models": "models against transformers",
    "golden/adapters": "adapters against PEFT",
    "golden/realModel": "a real model's files against their recorded results",
    "golden/parts": "the parts of the golden data on each backend",
    "golden/inChromium": "golden data in a page of Chromium",
    golden: "`pnpm golden`",
    deploy: "replicas of the server behind nginx, as docs/deploy.md runs them",
    soak: "`pnpm soak`: load and faults",
    "fuzz/mutate": "damage to files of every kind",
    fuzz: "`pnpm fuzz`: reads damaged files",
    "bundles/pageTraining": "a training in a page that crashes",
    bundles: "sample pages with each bundler",
    packages: "`pnpm check:packages`: the packages as they are published",
    mutants: "`pnpm mutants`: changes the sources and runs the tests",
  },
  tools: {
    build: "generated files, and parts of the packages that the compiler does not write",
    api: "`pnpm api`: the entry of `lowrank`, and reports of public names",
    check: "`pnpm check`: who may import whom, and which functions take options",
    prose: "phrases that make readers stop, in pages and comments",
    docs: "`pnpm docs:check`",
    methodMatrix: "`pnpm docs:methods`: the table of what each PEFT method can do, from attempts",
    peftApi: "`pnpm docs:peft`: every public name of PEFT with ours",
    comparison: "`pnpm docs:comparison`: the methods trained on one task, as a page with pictures",
  },
};

/** Returns the folder that has the rooms of a package, or of another folder in the list. */
export function folderOf(name: string): string {
  return ["assembly", "tests", "tools"].includes(name) ? name : `packages/${name}/src`;
}

/** A rule of dependency-cruiser. */
interface Rule {
  readonly name: string;
  readonly comment: string;
  readonly severity: "error";
  readonly from: { readonly path: string; readonly pathNot?: string };
  readonly to: { readonly path?: string };
}

/** Tests and their helpers may import any room. */
const ofTests = String.raw`/testing/|/tests/|\.test\.ts$`;

/** Returns a pattern for the files of a room, without the rooms inside it. */
function filesOf(name: string, room: string): string {
  const inside = Object.keys(rooms[name]).flatMap((other) =>
    other.startsWith(`${room}/`) ? [`${other.slice(room.length + 1)}/`] : [],
  );
  return `^${folderOf(name)}/${room}/${inside.length > 0 ? `(?!${inside.join("|")})` : ""}`;
}

/** Returns the rules of one package: no import from a higher room, and no file outside the rooms. */
function rulesOf(name: string): Rule[] {
  const all = Object.keys(rooms[name]);
  const entries = String.raw`^${folderOf(name)}/[^/]+\.ts$`;
  const order = all.map((room, i): Rule => {
    const lower = all.slice(0, i).join(", ");
    return {
      name: `${name}/${room}`,
      comment: `A file of ${room} imports only its own room${lower && ` and ${lower}`} (tools/check/rooms.ts).`,
      severity: "error",
      from: { path: filesOf(name, room), pathNot: ofTests },
      to: { path: [entries, ...all.slice(i + 1).map((higher) => filesOf(name, higher))].join("|") },
    };
  });
  const outside: Rule = {
    name: `${name}: outside the rooms`,
    comment: `Each folder of ${folderOf(name)} is a room. Add it to tools/check/rooms.ts.`,
    severity: "error",
    from: {
      path: `^${folderOf(name)}/.+/`,
      pathNot: [ofTests, ...all.map((room) => filesOf(name, room))].join("|"),
    },
    to: {},
  };
  return [...order, outside];
}

/** Packages import nothing from suites and tools. Only their tests import the helpers of tests/support. */
const rulesOfPackages: readonly Rule[] = [
  {
    name: "packages: no suite and no tool",
    comment: "A package imports nothing from tests/ and tools/. Tests share helpers in tests/support.",
    severity: "error",
    from: { path: "^packages/" },
    to: { path: "^(tests/(?!support/)|tools/)" },
  },
  {
    name: "packages: helpers of tests",
    comment: "Only test files import @lowrank/test-support, which is not published.",
    severity: "error",
    from: { path: "^packages/", pathNot: String.raw`\.test\.ts$|^packages/[^/]+/src/tests/` },
    to: { path: "^tests/support/" },
  },
];

/** The rules of all packages and of the other folders in the list. */
export const rules: readonly Rule[] = [...Object.keys(rooms).flatMap(rulesOf), ...rulesOfPackages];
