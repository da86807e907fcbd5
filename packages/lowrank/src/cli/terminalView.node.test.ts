import { expect, test } from "vitest";
import { TerminalView } from "./terminalView.ts";

function terminal(columns: number) {
  const written: string[] = [];
  const stream = { columns, write: (text: string) => void written.push(text) };
  return { stream, view: new TerminalView(stream as unknown as NodeJS.WriteStream), text: () => written.join("") };
}

test("what is written stands above the view, which is drawn again", () => {
  const { view, text } = terminal(80);
  view.write("first\n");
  view.show(["a", "b"]);
  view.write("second\n");
  expect(text()).toBe("first\na\nb\n\x1b[2A\x1b[0Jsecond\na\nb\n");
});

test("rows of lines that a narrower terminal wraps are taken away too", () => {
  const { stream, view, text } = terminal(80);
  view.show(["x".repeat(80), "\x1b[32m\u6f22\u5b57\x1b[0m", ""]);
  stream.columns = 40;
  view.show([]);
  expect(text().endsWith("\x1b[4A\x1b[0J")).toBe(true);
});

test("a view that is left stays", () => {
  const { view, text } = terminal(80);
  view.show(["a"]);
  view.leave();
  view.write("b\n");
  expect(text()).toBe("a\nb\n");
});

test("a terminal that does not report its size has 80 columns and 24 rows", () => {
  const sizes = ({ columns, rows }: TerminalView) => [columns, rows];
  expect(sizes(new TerminalView({ columns: 0, rows: undefined } as never))).toEqual([80, 24]);
  expect(sizes(new TerminalView({ columns: 100, rows: 50 } as never))).toEqual([100, 50]);
});
