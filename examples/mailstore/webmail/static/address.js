// Addresses as people write them: Name <address>, "Last, First" <address>; address

// parse reads a list of addresses. It throws where one is none.
export function parse(text) {
	return split(text).map((s) => {
		const m = /^(?:"((?:[^"\\]|\\.)*)"|([^"<]*?))\s*<([^<>\s]+)>$/.exec(s);
		const email = m ? m[3] : s;
		if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw new Error(`${s} is not an address`);
		return { name: (m?.[1]?.replace(/\\(.)/g, "$1") ?? m?.[2]) || null, email };
	});
}

// split cuts at commas, semicolons and ends of lines outside of quotation marks.
function split(text) {
	return (text.match(/(?:"(?:[^"\\]|\\.)*"|[^,;\n])+/g) ?? []).map((s) => s.trim()).filter(Boolean);
}

// write is a list of addresses that parse reads.
export const write = (list) => (list ?? []).map(one).join(", ");

function one({ name, email }) {
	if (!name) return email;
	return /[",;<>\\]/.test(name) ? `"${name.replace(/["\\]/g, "\\$&")}" <${email}>` : `${name} <${email}>`;
}

export const same = (a, b) => a.toLowerCase() === b.toLowerCase();

// others are the addresses of a list that are neither in another list nor there twice.
export function others(list, not) {
	const seen = new Set(not.map((a) => a.email.toLowerCase()));
	return (list ?? []).filter((a) => !seen.has(a.email.toLowerCase()) && seen.add(a.email.toLowerCase()));
}
