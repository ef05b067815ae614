// Who may write: requests to decide on, addresses for one correspondent each, and correspondents.
import { $, el, when } from "./dom.js";
import { refused } from "./jmap.js";

export class Contacts {
	constructor(jmap) {
		this.jmap = jmap;
		$("contacts-open").hidden = false;
		$("contacts-open").onclick = () => this.open();
		$("contacts-close").onclick = () => $("contacts").close();
		$("channel-form").onsubmit = (ev) => {
			ev.preventDefault();
			this.#change("Channel", { create: { n: { note: $("channel-note").value } } }).then(() => { $("channel-note").value = ""; });
		};
	}

	async open() {
		$("contacts-error").textContent = "";
		if (!$("contacts").open) $("contacts").showModal();
		await this.#show();
	}

	// count shows how many requests wait, and what is new where the dialog is open.
	async count() {
		const [{ ids }] = await this.jmap.call(["Request/query", {}]);
		$("waiting").textContent = ids.length;
		$("waiting").hidden = ids.length === 0;
		$("contacts-open").setAttribute("aria-label", ids.length ? `Contacts, requests: ${ids.length}` : "Contacts");
		if ($("contacts").open) await this.#show();
	}

	async #change(type, args) {
		$("contacts-error").textContent = "";
		try {
			const [r] = await this.jmap.call([`${type}/set`, args]);
			refused(r);
			await this.count();
		} catch (e) {
			$("contacts-error").textContent = `That did not work: ${e.message}.`;
		}
	}

	async #show() {
		const [requests, channels, grants] = await this.jmap.call(["Request/get", { ids: null }], ["Channel/get", { ids: null }], ["Grant/get", { ids: null }]);
		fill("requests", requests.list.map((r) => this.#request(r)), "Nobody waits.");
		fill("channels", channels.list.map((c) => this.#channel(c)), "There are none yet.");
		fill("grants", grants.list.map((g) => this.#grant(g)), "You have not written to anybody yet.");
	}

	#button(text, label, type, args) {
		return el("button", { type: "button", "aria-label": label, click: () => this.#change(type, args) }, text);
	}

	#request(r) {
		const decide = (text, decision) => this.#button(text, `${text}: ${r.from}`, "Request", { update: { [r.id]: { decision } } });
		return el("li", {},
			el("p", {}, el("strong", {}, r.subject || "(no subject)"), el("span", { class: "dim" }, ` ${when(r.receivedAt)}`)),
			el("p", {}, r.name && r.name !== r.from ? `${r.name} <${r.from}>` : r.from),
			el("p", { class: "dim" }, r.preview),
			el("div", { class: "row" }, decide("Accept", "accept"), decide("Decline", "decline"), decide("Block", "block")));
	}

	#channel(c) {
		const closed = c.state === "disconnected" || (c.expires && new Date(c.expires) < new Date());
		const whom = c.pinned || c.peer;
		const set = (text, state) => this.#button(text, `${text}: ${c.note || c.address}`, "Channel", { update: { [c.id]: { state } } });
		return el("li", { "data-state": closed ? "closed" : c.state },
			el("p", {}, el("strong", {}, c.note || "(no note)"), " ", el("span", { class: "dim" }, closed && c.state !== "disconnected" ? "expired" : c.state)),
			el("p", { class: "address" }, c.address),
			el("p", { class: "dim" }, [whom ? `belongs to ${whom}` : "for the first who writes", `${c.uses} letters`, c.lastUse ? `last ${when(c.lastUse)}` : ""].filter(Boolean).join(" · ")),
			c.leaks ? el("p", { class: "leak" }, c.leaks === 1 ? "Somebody else used it: refused." : `Others used it ${c.leaks} times: refused.`) : null,
			closed ? null : el("div", { class: "row" }, c.state === "paused" ? set("Resume", "open") : set("Pause", "paused"), set("Disconnect", "disconnected")));
	}

	#grant(g) {
		return el("li", { "data-state": g.state },
			el("p", {}, g.correspondent, g.state === "blocked" ? el("span", { class: "leak" }, " blocked") : null),
			el("div", { class: "row" },
				g.state === "blocked" ? null : this.#button("Block", `Block ${g.correspondent}`, "Grant", { update: { [g.id]: { state: "blocked" } } }),
				this.#button(g.state === "blocked" ? "Forget" : "Disconnect", `${g.state === "blocked" ? "Forget" : "Disconnect"} ${g.correspondent}`, "Grant", { destroy: [g.id] })));
	}
}

// fill shows a list, and what is said where there is nothing. The focus stays on the button that was used, if it is there.
function fill(id, items, none) {
	const label = $(id).contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
	$(id).replaceChildren(...(items.length ? items : [el("li", { class: "dim" }, none)]));
	if (label !== null) ([...$(id).querySelectorAll("button")].find((b) => b.getAttribute("aria-label") === label) ?? $("contacts-close")).focus();
}
