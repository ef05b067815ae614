// The keys, and the help that lists them.
import { $, el } from "./dom.js";
import { operators } from "./search.js";

// keys runs what a table of [keys, what they do, run] says, unless something is written or a dialog is open.
export function keys(table, failed) {
	const byKey = new Map(table.flatMap(([names, , run]) => names.map((n) => [n, run])));
	document.addEventListener("keydown", (ev) => {
		if (ev.ctrlKey || ev.metaKey || ev.altKey || document.querySelector("dialog[open]") || ev.target.closest("textarea, select, input:not([type=checkbox])")) return;
		const run = byKey.get(ev.key);
		if (!run) return;
		ev.preventDefault();
		Promise.resolve().then(run).catch(failed);
	});
	const name = { ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc" };
	const entry = (names, what) => [el("dt", {}, ...names.flatMap((n, i) => [i ? " " : "", el("kbd", {}, name[n] ?? n)])), el("dd", {}, what)];
	$("help-keys").replaceChildren(...table.flatMap(([names, what]) => entry(names, what)), ...entry(["Enter"], "read the message that has the focus"), ...entry(["Shift+click"], "select all up to there"));
	$("help-search").replaceChildren(...operators.flatMap(([example, what]) => [el("dt", {}, el("code", {}, example)), el("dd", {}, what)]));
}
