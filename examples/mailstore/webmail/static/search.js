// The language of the search field: words, "phrases", and operators, each of which becomes a condition of JMAP's filters.

export const operators = [
	["from:ann", "who wrote it"],
	["to:ben, cc:ben", "whom it went to"],
	["subject:invoice", "a word of the subject"],
	["body:\"two words\"", "a phrase of the text"],
	["has:attachment", "with attachments"],
	["is:unread, is:flagged", "read, unread, flagged, answered"],
	["in:archive", "one mailbox, by its name"],
	["after:2026-01-31", "that day or later; a month or a year will do"],
	["before:2026", "earlier than that"],
	["larger:1M, smaller:20k", "the size"],
	["-from:ann", "a minus turns what follows round"],
];

const units = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

// parse returns the filter that a text asks for. boxes finds mailboxes, for in: and for what is left out: junk and trash,
// unless in: says where to look. An operator with a value that it cannot have is an error, which says so.
export function parse(text, boxes) {
	const conditions = [];
	let somewhere = false;
	for (const [, minus, name, value] of text.matchAll(/(-?)(?:([a-z]+):)?("[^"]*"?|[^\s"]+)/gi)) {
		const c = condition(name?.toLowerCase(), value, boxes) ?? { text: name ? `${name}:${value}` : closed(value) };
		somewhere ||= c.inMailbox && !minus;
		conditions.push(minus ? { operator: "NOT", conditions: [c] } : c);
	}
	const out = ["junk", "trash"].map((r) => boxes.role(r)?.id).filter(Boolean);
	if (!somewhere && out.length) conditions.push({ inMailboxOtherThan: out });
	return { operator: "AND", conditions };
}

// closed is a phrase with both its marks.
const closed = (value) => (value.length > 1 && value.startsWith("\"") && !value.endsWith("\"") ? `${value}"` : value);
const plain = (value) => value.replaceAll("\"", "");

function condition(name, value, boxes) {
	switch (name) {
	case "from": case "to": case "cc": case "bcc": case "subject": case "body": return { [name]: closed(value) };
	case "before": case "after": return { [name]: day(name, value) };
	case "has":
		if (!/^attachments?$/i.test(value)) throw new Error(`has:${value} is not known; has:attachment is`);
		return { hasAttachment: true };
	case "is": return state(value.toLowerCase());
	case "larger": return { minSize: octets(name, value) };
	case "smaller": return { maxSize: octets(name, value) };
	case "in": {
		const box = boxes.named(plain(value));
		if (!box) throw new Error(`there is no mailbox ${plain(value)}`);
		return { inMailbox: box.id };
	}
	}
	return null;
}

function state(value) {
	switch (value) {
	case "read": return { hasKeyword: "$seen" };
	case "unread": return { notKeyword: "$seen" };
	case "flagged": case "starred": return { hasKeyword: "$flagged" };
	case "answered": return { hasKeyword: "$answered" };
	}
	throw new Error(`is:${value} is not known; is:unread, is:read, is:flagged and is:answered are`);
}

// day is the beginning of a day, a month or a year here, as a date in UTC.
function day(name, value) {
	const m = /^(\d{4})(?:-(\d\d?)(?:-(\d\d?))?)?$/.exec(value);
	const [y, month, d] = m ? [Number(m[1]), Number(m[2] ?? 1), Number(m[3] ?? 1)] : [];
	const at = m && new Date(y, month - 1, d);
	if (!at || at.getMonth() !== month - 1 || at.getDate() !== d) throw new Error(`${name}: wants a date such as 2026-01-31, not ${value}`);
	return at.toISOString().replace(/\.\d+Z$/, "Z");
}

function octets(name, value) {
	const m = /^(\d+(?:\.\d+)?)([kmg]?)b?$/i.exec(value);
	if (!m) throw new Error(`${name}: wants a size such as 20k or 1.5M, not ${value}`);
	return Math.round(m[1] * units[m[2].toLowerCase()]);
}
