// What a reply, a reply to all and a forwarded letter begin with.
import { others, same, write } from "./address.js";

// mine returns the identity that a letter was written to, or by, else the first.
export function mine(identities, email) {
	const all = [...(email.to ?? []), ...(email.cc ?? []), ...(email.bcc ?? []), ...(email.from ?? [])];
	const at = identities.findIndex((i) => all.some((a) => same(a.email, i.email)));
	return Math.max(0, at);
}

// reply answers who wrote, or, of one's own letter, whom it was to. With all, everybody else gets a copy.
export function reply(email, text, identities, all) {
	const own = identities.map((i) => ({ email: i.email }));
	const byMe = email.from?.some((a) => own.some((o) => same(o.email, a.email)));
	const author = email.replyTo?.length ? email.replyTo : email.from ?? [];
	let to = byMe && email.to?.length ? email.to : author;
	let cc = [];
	if (all) {
		const rest = others([...(byMe ? [] : email.to ?? [])], [...own, ...to]);
		cc = others([...rest, ...(email.cc ?? [])], [...own, ...to]);
		if (byMe) to = others(to, own).length ? others(to, own) : to;
	}
	text = text.split(/\n-- \r?\n/)[0]; // without the signature
	return { title: all ? "Reply to all" : "Reply", identity: mine(identities, email), to: write(to), cc: write(cc), subject: prefixed("Re", email.subject),
		text: `\n\n${when(email)}${write(email.from)} wrote:\n${text.split("\n").map((l) => (l.startsWith(">") ? `>${l}` : `> ${l}`)).join("\n")}\n`,
		headers: inReplyTo(email), answers: { id: email.id, keyword: "$answered" } };
}

// forward hands a letter on, with what was attached to it.
export function forward(email, text, identities) {
	const line = (label, value) => (value ? `${label}: ${value}\n` : "");
	return { title: "Forward", identity: mine(identities, email), subject: prefixed("Fwd", email.subject),
		text: `\n\n---------- Forwarded message ----------\n${line("From", write(email.from))}${line("Date", new Date(email.receivedAt).toLocaleString())}${line("Subject", email.subject)}${line("To", write(email.to))}${line("Cc", write(email.cc))}\n${text}\n`,
		files: email.attachments.map(({ blobId, type, name, size }) => ({ blobId, type, name: name || "attachment", size, state: "" })),
		headers: { references: inReplyTo(email).references }, answers: { id: email.id, keyword: "$forwarded" } };
}

const prefixed = (word, subject) => (new RegExp(`^${word}:`, "i").test(subject ?? "") ? subject : `${word}: ${subject ?? ""}`);

const when = (email) => `On ${new Date(email.receivedAt).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}, `;

function inReplyTo(email) {
	if (!email.messageId?.length) return {};
	return { inReplyTo: email.messageId, references: [...(email.references ?? []), ...email.messageId] };
}
