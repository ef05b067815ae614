// Letters on their way: held for some seconds so that they can be taken back, sent at a time to come, and what became of
// them.
import { el } from "./dom.js";
import { from, refused } from "./jmap.js";

const hold = 5; // s

// when is what an envelope says of the time: FUTURERELEASE (RFC 4865), as the server allows it. at is a Date or null.
export function when(jmap, at) {
	if (at) return { HOLDUNTIL: at.toISOString().replace(/\.\d+Z$/, "Z") };
	return jmap.maxDelay > 0 ? { HOLDFOR: String(Math.min(hold, jmap.maxDelay)) } : null;
}

// envelope is that of an email, with what is said of the time; null where nothing is, and the server makes it.
export function envelope(email, parameters) {
	if (!parameters) return null;
	const to = new Set(["to", "cc", "bcc"].flatMap((f) => email[f] ?? []).map((a) => a.email));
	return { mailFrom: { email: email.from[0].email, parameters }, rcptTo: [...to].map((address) => ({ email: address })) };
}

// cancel takes a letter back: it is a draft again.
export async function cancel(jmap, boxes, id) {
	const drafts = boxes.role("drafts") ?? boxes.role("inbox");
	const [r] = await jmap.call(["EmailSubmission/set", { update: { [id]: { undoStatus: "canceled" } },
		onSuccessUpdateEmail: { [id]: { mailboxIds: { [drafts.id]: true }, "keywords/$draft": true } } }]);
	const error = r.notUpdated?.[id];
	if (error?.type === "cannotUnsend" || error?.type === "notFound") throw new Error("the letter is on its way already");
	refused(r);
}

// submissions returns what the server knows of the sending of emails, by their ids; the newest of each.
export async function submissions(jmap, emailIds) {
	if (!jmap.maySend || !emailIds.length) return new Map();
	const [, got] = await jmap.ask(["EmailSubmission/query", { filter: { emailIds }, sort: [{ property: "sentAt", isAscending: true }] }],
		["EmailSubmission/get", { "#ids": from(0, "EmailSubmission/query", "/ids") }]);
	return new Map(got instanceof Error ? [] : got.list.map((s) => [s.emailId, s]));
}

const words = { queued: "on the way", yes: "delivered", no: "not delivered", unknown: "handed on" };

// status is what became of a letter, with a way to take it back while there is one.
export function status(s, takeBack) {
	if (s.undoStatus === "canceled") return "";
	if (s.undoStatus === "pending") {
		return el("div", { class: "row delivery" }, el("span", {}, "To be sent ", el("time", { datetime: s.sendAt }, new Date(s.sendAt).toLocaleString())),
			el("button", { type: "button", "data-action": "takeback", click: takeBack }, "Take it back"));
	}
	const all = Object.entries(s.deliveryStatus ?? {});
	return all.length ? el("ul", { class: "delivery", "aria-label": "Delivery" }, ...all.map(([to, d]) => el("li", { "data-delivered": d.delivered },
		`${to}: ${words[d.delivered] ?? d.delivered}${d.delivered === "no" ? ` (${d.smtpReply})` : ""}`))) : "";
}
