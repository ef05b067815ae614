// Quoted text in mail that is plain text: what is folded away.

const quoted = (line) => /^\s*>/.test(line);
const divider = (line) => /^-{2,} ?(Original Message|Forwarded message|Ursprüngliche Nachricht|Weitergeleitete Nachricht) ?-{2,}$|^_{20,}$/i.test(line.trim());

// long is how many lines of a quotation in the middle of a text are shown: what follows answers them.
const long = 8;

// fold cuts a text into pieces {text, quoted}, those that are quoted to be folded: a quotation at the end with the line
// that says whose it is, a long one in the middle, and all that follows a divider. A text that is nothing but a quotation
// is not folded.
export function fold(text) {
	const lines = text.trimEnd().split("\n");
	const pieces = [];
	let plain = [];
	const push = (list, isQuoted) => {
		if (list.length) pieces.push({ text: list.join("\n"), quoted: isQuoted });
	};
	for (let i = 0; i < lines.length;) {
		if (divider(lines[i])) {
			push(plain, false);
			plain = [];
			push(lines.slice(i), true);
			break;
		}
		if (!quoted(lines[i])) {
			plain.push(lines[i++]);
			continue;
		}
		let end = i;
		for (let j = i; j < lines.length && (quoted(lines[j]) || !lines[j].trim()); j++) if (quoted(lines[j])) end = j + 1;
		const block = lines.slice(i, end);
		i = end;
		if (lines.slice(end).some((l) => l.trim()) && block.length <= long) {
			plain.push(...block);
			continue;
		}
		const whose = attribution(plain);
		push(plain.slice(0, plain.length - whose), false);
		push([...plain.slice(plain.length - whose), ...block], true);
		plain = [];
	}
	push(plain, false);
	if (!pieces.some((p) => !p.quoted && p.text.trim())) return [{ text: lines.join("\n"), quoted: false }];
	return pieces;
}

// attribution is how many of the last lines say whose a quotation is: "On Monday Ann wrote:", perhaps on two lines.
function attribution(lines) {
	let end = lines.length;
	while (end > 0 && !lines[end - 1].trim()) end--;
	if (end === 0 || !/:\s*$/.test(lines[end - 1])) return 0;
	const two = end > 1 && lines[end - 2].trim() && /^(On|Am|Le|El|Il|Op|Den) /.test(lines[end - 2]);
	return lines.length - end + (two ? 2 : 1);
}
