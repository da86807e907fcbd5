import { type AnyMethod, knownMethods, type PeftConfig, registeredMethods } from "lowrank";
import { columns, WrongResult } from "./actions.ts";
import { configOf } from "./subjects.ts";

/** The result of a column's action: done, or refused with this message. "partly": only some layers refuse. */
type Cell = { readonly done: "yes" } | { readonly done: "no" | "partly"; readonly message: string };

/** A method with its cells, in the order of `columns`. */
export interface Row {
  readonly method: AnyMethod;
  readonly config: PeftConfig;
  readonly cells: readonly Cell[];
}

/** Reasons of refusals. The first whose pattern matches the message is the note of the cell. */
const notes: readonly { readonly message: RegExp; readonly note: string }[] = [
  { message: /virtual tokens before/, note: "It puts virtual tokens before all sequences of a batch." },
  {
    message: /depends on the layer's inputs|depend on the other rows/,
    note: "Its update depends on the inputs, also on inputs of other rows.",
  },
  { message: /depends on the tasks/, note: "Its update depends on the task of each row." },
  {
    message: /for each token|runs the model twice|other adapters of the model/,
    note: "It runs the model twice, and mixes other adapters differently for each token.",
  },
  { message: /second decoder/, note: "It runs a second decoder, on whose hidden states its update depends." },
  { message: /next to the layers of the model/, note: "It adds layers next to the layers of the model." },
  { message: /rows to the attention|wraps (the )?attention/, note: "It changes the attention, for the whole batch." },
  { message: /this layer has none/, note: "It adds to biases. Layers without a bias refuse." },
  {
    message: /needs singular vectors/,
    note: "It decomposes the weights. Load the model in full precision, add the adapter, and call `quantizeBase`.",
  },
  { message: /trains an encoder/, note: "Files contain the virtual tokens, but not the encoder that computes them." },
];

/** Returns Lowrank's own methods. Tests of the same process may have registered others. */
export async function ownMethods(): Promise<AnyMethod[]> {
  const registered = registeredMethods();
  return Object.values(await knownMethods()).filter(({ peftType }) => !Object.hasOwn(registered, peftType));
}

/** Tries every action with every method. Throws for wrong results, and for errors without the column's code. */
export async function tryAll(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const method of await ownMethods()) {
    const config = await configOf(method);
    const cells: Cell[] = [];
    for (const column of columns) {
      const cell = await tried(method, column, () => column.action(config));
      const isMerge = column.code === "not_mergeable" && cell.done === "yes";
      const plain = isMerge ? await tried(method, column, () => column.action(config, false), true) : cell;
      cells.push(plain.done === "no" && cell.done === "yes" ? { ...plain, done: "partly" } : cell);
    }
    rows.push({ method, config, cells });
  }
  return rows;
}

/** `mayMisfit` is true for a model that may lack the layers of the method. */
async function tried(
  { peftType }: AnyMethod,
  { title, code }: { title: string; code: string },
  run: () => Promise<void>,
  mayMisfit = false,
): Promise<Cell> {
  try {
    await run();
  } catch (error) {
    const found = error as Error & { readonly code?: string };
    if (found.code === code) return { done: "no", message: found.message };
    if (!mayMisfit || found instanceof WrongResult) throw new Error(`${peftType}, ${title}: ${found.stack}`);
  }
  return { done: "yes" };
}

const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const [begin, end] = ["<!-- method matrix -->", "<!-- end of the method matrix -->"];

/** Returns the table of methods with the notes below it. `page` is docs/methods.md, whose first table has the names. */
function matrixText(rows: readonly Row[], page: string): string {
  const used: string[] = [];
  const shown = (cell: Cell) => {
    if (cell.done === "yes") return "yes";
    const note = notes.find(({ message }) => message.test(cell.message))?.note;
    if (note === undefined) throw new Error(`tools/methodMatrix/matrix.ts has no note for: ${cell.message}`);
    if (!used.includes(note)) used.push(note);
    return `${cell.done}${[...String(used.indexOf(note) + 1)].map((digit) => digits[Number(digit)]).join("")}`;
  };
  const table = [
    ["method", ...columns.map(({ title }) => title)],
    ["---", ...columns.map(() => "---")],
    ...rows.map(({ method, cells }) => [linkOf(method, page), ...cells.map(shown)]),
  ];
  const lines = table.map((row) => `| ${row.join(" | ")} |`);
  return [...lines, "", ...used.map((note, i) => `${i + 1}. ${note}`)].join("\n");
}

/** Returns the link to a method's section from the first table of the page. */
function linkOf({ peftType, Config }: AnyMethod, page: string): string {
  const found = page.match(new RegExp(`^\\| (\\[[^\\]]+\\]\\([^)]+\\)) +\\| \`${Config.name}\``, "m"));
  if (!found) throw new Error(`the first table of docs/methods.md has no row with \`${Config.name}\` (${peftType})`);
  return found[1];
}

/** Returns docs/methods.md with the table of the rows. */
export function withMatrix(page: string, rows: readonly Row[]): string {
  const [start, stop] = [page.indexOf(begin), page.indexOf(end)];
  if (start < 0 || stop < start) throw new Error(`docs/methods.md lacks ${begin} or ${end}`);
  return `${page.slice(0, start + begin.length)}\n\n${matrixText(rows, page)}\n\n${page.slice(stop)}`;
}
