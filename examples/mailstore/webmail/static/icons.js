// Icons: strokes on a grid of 24 in the colour of the text. They are ornaments: what stands beside them says the same.
const paths = {
	menu: "M4 6h16M4 12h16M4 18h16",
	back: "M15 5l-7 7 7 7",
	close: "M6 6l12 12M18 6L6 18",
	open: "M9 6l6 6-6 6",
	write: "M4 20l1-4.500L16 4.500l3.500 3.500L8.500 19zM13.500 7l3.500 3.500",
	people: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c.500-4 3-6 6.500-6s6 2 6.500 6M16 4.500a3.200 3.200 0 0 1 0 6.200M17.500 14c2.200.600 3.600 2.500 4 6",
	reply: "M9 14L4 9l5-5M4 9h10a6 6 0 0 1 6 6v5",
	replyall: "M7 14L2 9l5-5M12.500 14l-5-5 5-5M7.500 9H16a6 6 0 0 1 6 6v5",
	forward: "M15 14l5-5-5-5M20 9H10a6 6 0 0 0-6 6v5",
	archive: "M3 4h18v4H3zM5 8v12h14V8M10 12h4",
	trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
	junk: "M12 3.500L2.500 20h19zM12 10v4.500M12 17v.500",
	move: "M3 19V5h6l2 2.500h10V19zM10 13h6M13.500 10.500L16 13l-2.500 2.500",
	flag: "M12 3.500l2.600 5.500 6 .800-4.400 4.200 1.100 6L12 17l-5.300 3 1.100-6L3.400 9.800l6-.800z",
	unread: "M3 6h18v12H3zM3 7l9 6.500L21 7",
	read: "M3 10l9-6 9 6v10H3zM3 10.500l9 6 9-6",
	source: "M8 7l-5 5 5 5M16 7l5 5-5 5M13.500 5l-3 14",
	clip: "M18.500 11l-7.300 7.300a4.200 4.200 0 0 1-6-6L13 4.500a2.800 2.800 0 0 1 4 4l-7.600 7.600a1.400 1.400 0 0 1-2-2l6.600-6.600",
	box: "M3 19V5h6l2 2.500h10V19z",
	inbox: "M3 13l3-8h12l3 8v6H3zM3 13h5l1.500 2.500h5L16 13h5",
	drafts: "M6 3h8l4 4v14H6zM14 3v4h4M9 13h6M9 17h4",
	sent: "M21 3L3 10.500l7 3 3 7zM21 3L10 13.500",
};

export function icon(name) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	svg.setAttribute("viewBox", "0 0 24 24");
	svg.setAttribute("aria-hidden", "true");
	svg.classList.add("icon");
	const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
	path.setAttribute("d", paths[name] ?? paths.box);
	svg.append(path);
	return svg;
}
