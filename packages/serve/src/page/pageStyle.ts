/** CSS of the server's web page. */
export const pageStyle = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #2563eb; }
@media (prefers-color-scheme: dark) { :root { --accent: #7aa2ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; }
h1, h2 { font-size: 1.2rem; margin: 0; }
h2 { font-size: 1rem; }
header, form, .bar { display: flex; gap: .75rem; flex-wrap: wrap; align-items: center; }
header { justify-content: space-between; margin-bottom: 1rem; }
label { display: inline-flex; gap: .4rem; align-items: center; }
input, select, textarea, button { font: inherit; color: inherit; background: var(--soft); border: 1px solid var(--line);
  border-radius: .4rem; padding: .35rem .6rem; }
input[type="number"] { width: 5.5rem; }
textarea { flex: 1 1 20rem; min-height: 3.2rem; resize: vertical; }
button.main { background: var(--accent); color: Canvas; border-color: transparent; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
#sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; margin: 1rem 0; }
.side { border: 1px solid var(--line); border-radius: .6rem; padding: .75rem; min-width: 0; }
.side select { width: 100%; }
.turns { height: 18rem; overflow-y: auto; margin-top: .75rem; }
.turn { white-space: pre-wrap; overflow-wrap: anywhere; padding: .4rem .6rem; border-radius: .4rem; margin: .4rem 0; }
.turn.user { background: var(--soft); }
.turn.error { color: #c2410c; }
.side footer, #numbers { font-size: .85rem; opacity: .75; min-height: 1.3rem; }
#batch { display: flex; flex-wrap: wrap; gap: 3px; min-height: 1.8rem; margin-top: .5rem; }
.row { font-size: .75rem; padding: .1rem .5rem; border-radius: .3rem; color: #fff; max-width: 12rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.row.waiting, .row.paused { opacity: .45; }
#ask[hidden] { display: none; }
#kind { font-size: .85rem; opacity: .75; margin: 0; }
`;
