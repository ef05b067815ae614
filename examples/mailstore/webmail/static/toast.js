// What happened, for some seconds, and the way back where there is one.
import { $, el } from "./dom.js";

const stay = 10_000;
let timer = 0, back = null;

// toast says what happened. undo, if there is one, is offered as a button and by the key z, and says what came of it.
export function toast(text, undo = null, label = "Undo") {
	clearTimeout(timer);
	back = undo;
	$("toast").replaceChildren(el("span", {}, text), undo ? el("button", { type: "button", "data-action": "undo", click: () => revert() }, label) : "",
		el("button", { type: "button", class: "quiet", "aria-label": "Close this notice", click: hide }, "×"));
	$("toast").dataset.kind = "done";
	$("toast").hidden = false;
	wait();
}

// fail says what went wrong.
export function fail(e) {
	toast(`That did not work: ${e.message}.`);
	$("toast").dataset.kind = "fault";
}

export async function revert() {
	const run = back;
	if (!run) return;
	hide();
	try {
		await run();
	} catch (e) {
		fail(e);
	}
}

function hide() {
	clearTimeout(timer);
	back = null;
	$("toast").hidden = true;
}

// Who points at it or has gone to it is not hurried.
function wait() { timer = setTimeout(() => ($("toast").matches(":hover, :focus-within") ? wait() : hide()), stay); }
