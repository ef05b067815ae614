// An answer that the server sends while one is away (RFC 8621 §8).
import { $ } from "./dom.js";
import { refused } from "./jmap.js";
import { fail, toast } from "./toast.js";

export class Vacation {
	constructor(jmap) {
		this.jmap = jmap;
		$("vacation-open").hidden = false;
		$("vacation-open").onclick = () => this.open().catch(fail);
		$("vacation-close").onclick = () => $("vacation").close();
		$("vacation-form").onsubmit = (ev) => { ev.preventDefault(); this.#save(); };
		this.open(false).catch(fail);
	}

	async open(shown = true) {
		const [{ list: [v] }] = await this.jmap.call(["VacationResponse/get", { ids: ["singleton"] }]);
		$("vacation-on").checked = v.isEnabled;
		$("vacation-from").value = day(v.fromDate);
		$("vacation-to").value = day(v.toDate, -1);
		$("vacation-subject").value = v.subject ?? "";
		$("vacation-text").value = v.textBody ?? "";
		$("vacation-error").textContent = "";
		this.#says(v.isEnabled);
		if (shown) $("vacation").showModal();
	}

	#says(on) { $("vacation-open").textContent = on ? "Away: answers are sent" : "Away?"; }

	async #save() {
		const text = (id) => $(id).value.trim() || null, on = $("vacation-on").checked;
		const from = $("vacation-from").value, to = $("vacation-to").value;
		$("vacation-error").textContent = "";
		try {
			if (from && to && to < from) throw new Error("the last day is before the first");
			const [r] = await this.jmap.call(["VacationResponse/set", { update: { singleton: { isEnabled: on, fromDate: date(from), toDate: date(to, 1),
				subject: text("vacation-subject"), textBody: text("vacation-text"), htmlBody: null } } }]);
			refused(r);
			$("vacation").close();
			this.#says(on);
			toast(on ? "While you are away, answers are sent." : "No answers are sent.");
		} catch (e) {
			$("vacation-error").textContent = `Not saved: ${e.message}.`;
		}
	}
}

// date is the beginning of a day here, or of one some days later, in UTC.
function date(value, later = 0) {
	if (!value) return null;
	const [y, m, d] = value.split("-").map(Number);
	return new Date(y, m - 1, d + later).toISOString().replace(/\.\d+Z$/, "Z");
}

// day is the day of a date, or one some days later, as a field has it.
function day(value, later = 0) {
	if (!value) return "";
	const d = new Date(value);
	d.setDate(d.getDate() + later);
	return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;
}
